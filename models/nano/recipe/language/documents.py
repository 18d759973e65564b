"""Bulletins: notes about one thing, in the shapes that real notes have."""

import random
from dataclasses import dataclass

from .entities import Claim, Entity, Fact, sentence, statements, wordings
from .values import date

TITLES = ("{n}", "{n}", "{n}", "{n}", "Notes on {n}", "Bulletin {i}: {n}", "{n}: a short note")
HEADINGS = ("Facts", "Details", "More", "History", "Notes", "Background", "Today", "Also known")
LISTS = ("Key points:", "In short:", "At a glance:", "Facts:")


@dataclass(eq=False)
class Document:
    """A passage about one thing, and everything it says."""

    entity: Entity
    title: str
    passage: str
    direct: list[Claim]
    """What it says of the thing itself."""
    linked: list[tuple[Fact, Claim]]
    """What it says of the things referred to, with the fact that refers to them."""

    @property
    def two_hop(self) -> list[Claim]:
        """The linked claims seen from the thing itself: `the main rival of X is based in Y`."""
        return [Claim(f"the {via.attribute.label} of {self.entity.name}", claim.fact, 2) for via, claim in self.linked]

    @property
    def claims(self) -> list[Claim]:
        """Everything the passage says or implies."""
        return [*self.direct, *(claim for _, claim in self.linked), *self.two_hop]

    @property
    def in_order(self) -> list[Claim]:
        """The same claims in the order of the passage: what is said of a thing referred to comes after the fact that refers to it."""
        out = []
        for claim in self.direct:
            out.append(claim)
            for via, linked in self.linked:
                if via is claim.fact:
                    out += [linked, Claim(f"the {via.attribute.label} of {self.entity.name}", linked.fact, 2)]
        return out

    @property
    def text(self) -> str:
        """Title and passage, as plain text."""
        return f"{self.title}\n{self.passage}"


def write(entity: Entity, rng: random.Random, held_out: bool = False) -> Document:
    """Writes a bulletin; with `held_out` some sentences use wordings that training never shows."""
    direct = [Claim(entity.name, fact) for fact in entity.facts]
    rng.shuffle(direct)
    linked = _links(direct, rng)
    body = _STYLES[rng.choices(range(len(_STYLES)), _WEIGHTS)[0]](_Writer(entity, rng, held_out), direct, linked)
    title = rng.choice(TITLES).replace("{n}", entity.name).replace("{i}", str(rng.randint(2, 99)))
    return Document(entity, sentence(title).removesuffix("."), body, direct, linked)


def rewrite(document: Document, rng: random.Random) -> str:
    """The same facts as prose, in another order and other wordings."""
    direct = rng.sample(document.direct, len(document.direct))
    writer = _Writer(document.entity, rng, False)
    return " ".join(writer.sentences(direct, document.linked, names=0.7))


def _links(direct: list[Claim], rng: random.Random) -> list[tuple[Fact, Claim]]:
    """One fact of some of the things referred to."""
    links = []
    for claim in direct:
        other = claim.fact.refers_to
        plain = [fact for fact in other.facts if fact.refers_to is None] if other else []
        if plain and (len(other.facts) == 1 or rng.random() < 0.5):
            links.append((claim.fact, Claim(other.name, rng.choice(plain))))
    return links


class _Writer:
    """Writes sentences about one thing."""

    def __init__(self, entity: Entity, rng: random.Random, held_out: bool):
        self.entity, self.rng, self.held_out = entity, rng, held_out

    def sentences(self, direct: list[Claim], linked: list[tuple[Fact, Claim]], names: float = 0.3) -> list[str]:
        """A sentence for every claim, each linked one after the one that refers to it; `names` is how often
        the thing is named rather than taken up. Now and then two claims share a sentence."""
        follow = {id(via): claim for via, claim in linked}
        out: list[str] = []
        joinable = False
        for index, claim in enumerate(direct):
            if joinable and self.rng.random() < 0.25:
                out[-1] = out[-1].removesuffix(".") + f", and {self._worded(claim, self.entity.pronoun, joined=True)}."
                joinable = False
            else:
                named = index == 0 or self.rng.random() < names
                out.append(sentence(self._worded(claim, None if named else self._again())))
                joinable = index > 0 and id(claim.fact) not in follow
            if id(claim.fact) in follow:
                out.append(self._one(follow[id(claim.fact)]))
                joinable = False
        return out

    def item(self, claim: Claim) -> tuple[str, str]:
        """Label and value, for lists and tables."""
        label = self.rng.choice(claim.fact.attribute.labels)
        return label[0].upper() + label[1:], claim.fact.value

    def opening(self) -> str:
        """`X is a company.`"""
        return kind_sentence(self.entity)

    def _again(self) -> str:
        return self.rng.choice((self.entity.pronoun, self.entity.taken_up))

    def _one(self, claim: Claim) -> str:
        return sentence(self._worded(claim, None))

    def _worded(self, claim: Claim, subject: str | None, joined: bool = False) -> str:
        """A statement of a claim whose value keeps its case, the thing named `subject` if that fits; a joined
        one begins with the subject."""
        hidden = self.held_out and self.rng.random() < 0.3
        own = list(claim.fact.attribute.held_out if hidden else claim.fact.attribute.wordings)
        if self.rng.random() < 0.15 and not hidden:
            own = [one for one in wordings(claim.fact.attribute) if one.statement and ":" not in one.statement]
        texts = [one.statement for one in own if not (one.statement.startswith("{v}") and claim.fact.value[0].islower())]
        if joined:
            texts = [text for text in texts if text.startswith("{n}")]
        text = self.rng.choice(texts or [claim.fact.attribute.wordings[0].statement])
        if subject in (None, self.entity.taken_up) or text.startswith("{n}"):
            name = subject or claim.subject
        else:
            name = self.entity.taken_up
        return text.replace("{n}", name).replace("{v}", claim.fact.value)


def kind_sentence(entity: Entity) -> str:
    """`X is a company.`"""
    article = "an" if entity.kind.noun[0] in "aeiou" else "a"
    return sentence(f"{entity.name} is {article} {entity.kind.noun}")


def _prose(writer: _Writer, direct, linked) -> str:
    lines = writer.sentences(direct, linked)
    if writer.rng.random() < 0.4:
        lines.insert(0, writer.opening())
    if len(lines) > 4 and writer.rng.random() < 0.5:
        cut = writer.rng.randint(2, len(lines) - 2)
        return " ".join(lines[:cut]) + "\n\n" + " ".join(lines[cut:])
    return " ".join(lines)


def _dated(writer: _Writer, direct, linked) -> str:
    return f"Issued on {date(writer.rng)}.\n{_prose(writer, direct, linked)}"


def _headed(writer: _Writer, direct, linked) -> str:
    cut = max(1, len(direct) // 2)
    first, second = writer.rng.sample(HEADINGS, 2)
    parts = [" ".join(writer.sentences(part, linked_of(part, linked))) for part in (direct[:cut], direct[cut:])]
    return f"## {first}\n{parts[0]}\n\n## {second}\n{parts[1]}"


def _listed(writer: _Writer, direct, linked) -> str:
    cut = writer.rng.randint(1, 2)
    lines = "\n".join("- {}: {}".format(*writer.item(claim)) for claim in direct[cut:])
    return _split(writer, direct, linked, cut, f"{writer.rng.choice(LISTS)}\n{lines}")


def _tabled(writer: _Writer, direct, linked) -> str:
    cut = writer.rng.randint(1, 2)
    lines = "\n".join("| {} | {} |".format(*writer.item(claim)) for claim in direct[cut:])
    return _split(writer, direct, linked, cut, f"| | |\n|---|---|\n{lines}")


def _split(writer: _Writer, direct, linked, cut: int, block: str) -> str:
    """Prose for the first `cut` claims, then a list or table, then what is said of other things."""
    prose = " ".join([writer.opening(), *writer.sentences(direct[:cut], linked_of(direct[:cut], linked))])
    rest = " ".join(writer._one(claim) for _, claim in linked_of(direct[cut:], linked))
    return f"{prose}\n\n{block}" + (f"\n\n{rest}" if rest else "")


def linked_of(direct: list[Claim], linked: list[tuple[Fact, Claim]]) -> list[tuple[Fact, Claim]]:
    """The linked claims that hang on some of the direct ones."""
    own = {id(claim.fact) for claim in direct}
    return [link for link in linked if id(link[0]) in own]


_STYLES = (_prose, _dated, _headed, _listed, _tabled)
_WEIGHTS = (40, 12, 16, 18, 14)
