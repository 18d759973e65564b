"""The kinds of thing the language speaks of, read from `tables/*.txt` (the format is in `tables/README.md`)."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class Wording:
    """A statement (without its full stop) and the question that shares its structure.

    `{n}` stands for the thing, `{v}` for the value."""

    statement: str
    question: str


@dataclass(frozen=True)
class Attribute:
    """What can be said of a kind of thing."""

    labels: tuple[str, ...]
    value: str
    """Template of the value, see `values.fill`."""
    wordings: tuple[Wording, ...]
    held_out: tuple[Wording, ...]
    """Wordings that training never shows."""

    @property
    def label(self) -> str:
        return self.labels[0]

    @property
    def asks_who(self) -> bool:
        """Whether the value is a person."""
        return self.value == "{person}"

    @property
    def value_kind(self) -> str | None:
        """What sort of thing the value is, where one word says it."""
        return "person" if self.asks_who else "year" if self.value == "{year}" else self.refers_to

    @property
    def refers_to(self) -> str | None:
        """The kind of thing that the value names, if any."""
        return self.value[len("{ref "):-1] if self.value.startswith("{ref ") else None


@dataclass(frozen=True)
class Kind:
    """A kind of thing."""

    noun: str
    pronoun: str
    possessive: str
    definite: str
    """How a text takes the thing up again: `the company`."""
    names: tuple[str, ...]
    attributes: tuple[Attribute, ...]


# Wordings every attribute has, made from its labels: `{l}` is the label, `{b}` is or are, `{w}` is Who or What, `{k}` is the kind of the
# value where that is known. Many ways to ask, so that a new one is understood: with five, questions in held-out wordings were answered .2
# less often.
LABEL_WORDINGS = (
    Wording("The {l} of {n} {b} {v}", "{w} {b} the {l} of {n}?"),
    Wording("{n} has {v} as {l}", "{w2} does {n} have as {l}?"),
    Wording("{L} of {n}: {v}", "{L} of {n}?"),
    Wording("", "Name the {l} of {n}."),
    Wording("", "Tell me the {l} of {n}."),
    Wording("", "{w2} can we call the {l} of {n}?"),
    Wording("", "Do you know the {l} of {n}?"),
    Wording("", "Could you tell me the {l} of {n}?"),
    Wording("", "Can you say {w3} {b} the {l} of {n}?"),
    Wording("", "Please give the {l} of {n}."),
    Wording("", "I would like to know the {l} of {n}."),
    Wording("", "Say, {w3} {b} the {l} of {n}?"),
    Wording("", "About {n}: {w3} {b} the {l}?"),
    Wording("", "Do you remember {w3} {b} the {l} of {n}?"),
    Wording("", "As for {n}, name the {l}."),
)
VALUE_WORDINGS = (
    Wording("{v} {b} the {k} that {b} the {l} of {n}", "Which {k} {b} the {l} of {n}?"),
    Wording("", "Name the {k} that {b} the {l} of {n}."),
)
LABEL_HELD_OUT = (
    Wording("{v} {b} the {l} of {n}", "Can you name the {l} of {n}?"),
    Wording("As {l}, {n} has {v}", "Tell me, {w3} {b} the {l} of {n}?"),
)


def plural(label: str) -> bool:
    """Whether a label names several: ingredients, not number of pages."""
    return label.split(" of ")[0].endswith("s") or " or " in label


def labelled(attribute: Attribute, held_out: bool = False) -> list[Wording]:
    """The wordings that the labels of an attribute give; a statement may be empty."""
    who = attribute.asks_who
    wordings = []
    for label in attribute.labels:
        marks = {"{l}": label, "{L}": label[0].upper() + label[1:], "{w}": "Who" if who else "What",
                 "{w2}": "Whom" if who else "What", "{w3}": "who" if who else "what", "{k}": attribute.value_kind or "",
                 "{b}": "are" if plural(label) else "is"}
        shown = LABEL_WORDINGS + VALUE_WORDINGS if attribute.value_kind else LABEL_WORDINGS
        for wording in LABEL_HELD_OUT if held_out else shown:
            statement, question = wording.statement, wording.question
            for mark, text in marks.items():
                statement, question = statement.replace(mark, text), question.replace(mark, text)
            wordings.append(Wording(statement, question))
    return wordings


@cache
def kinds() -> dict[str, Kind]:
    """Every kind, by its noun."""
    found = [_parse(path) for path in sorted(TABLES.glob("*.txt"))]
    return {kind.noun: kind for kind in found}


def _parse(path: Path) -> Kind:
    head, *facts = path.read_text().strip().split("\n\n")
    fields = dict(line.split(" ", 1) for line in head.splitlines())
    pronoun, possessive, definite = fields["subject"].split(", ")
    attributes = tuple(_attribute(block, path) for block in facts)
    return Kind(fields["kind"], pronoun, possessive, definite, tuple(fields["name"].split("; ")), attributes)


def _attribute(block: str, path: Path) -> Attribute:
    head, *lines = block.splitlines()
    labels, value = head.removeprefix("fact ").split(": ", 1)
    shown, hidden = [], []
    for line in lines:
        if line[:2] not in ("- ", "* ") or " = " not in line:
            raise ValueError(f"{path.name}: {line!r} is no wording; write '- statement = question' or '* statement = question'")
        (hidden if line[0] == "*" else shown).append(Wording(*line[2:].split(" = ", 1)))
    return Attribute(tuple(labels.split(", ")), value, tuple(shown), tuple(hidden))
