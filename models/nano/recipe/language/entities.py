"""Things with facts, and the statements and questions that are true of them."""

import random
from dataclasses import dataclass, field

from .kinds import Attribute, Kind, Wording, kinds, labelled
from .names import Names, Split
from .values import fill

# How many facts a thing has.
FACTS = (4, 5, 6, 7)


@dataclass(eq=False)
class Fact:
    """One value of one attribute; `refers_to` is the thing that the value names."""

    attribute: Attribute
    value: str
    refers_to: "Entity | None" = None


@dataclass(eq=False)
class Entity:
    """A thing of some kind."""

    kind: Kind
    name: str
    pronoun: str
    possessive: str
    facts: list[Fact] = field(default_factory=list)

    @property
    def taken_up(self) -> str:
        """How a text names the thing again: `the company`; a person by the last name."""
        return self.name.split()[-1] if self.kind.noun == "person" else self.kind.definite


@dataclass(frozen=True)
class Claim:
    """A fact as seen from a document: `subject` is the thing's name, or `the main rival of X` (two hops)."""

    subject: str
    fact: Fact
    hops: int = 1


def sentence(text: str) -> str:
    """Text with a capital first letter and a full stop; names of services stay as they are."""
    first = text.split(" ", 1)[0]
    text = text if "-" in first else text[0].upper() + text[1:]
    return text if text[-1] in ".?:" else text + "."


def bare(kind: Kind, names: Names) -> Entity:
    """A thing without facts."""
    pronoun, possessive = kind.pronoun, kind.possessive
    if kind.noun == "person":
        pronoun, possessive = names.rng.choice((("he", "his"), ("she", "her")))
    return Entity(kind, fill(names.rng.choice(kind.names), names), pronoun, possessive)


def fresh(rng: random.Random, split: Split, kind: str | None = None) -> Entity:
    """A new thing; things it refers to are new too, and half of them come with a fact of their own."""
    names = Names(rng, split)
    entity = bare(kinds()[kind or rng.choice(sorted(kinds()))], names)
    for attribute in _choose(entity.kind, rng):
        if attribute.refers_to is None:
            entity.facts.append(Fact(attribute, fill(attribute.value, names)))
            continue
        other = bare(kinds()[attribute.refers_to], names)
        if rng.random() < 0.5:
            other.facts.append(_plain_fact(other.kind, names))
        entity.facts.append(Fact(attribute, other.name, other))
    return entity


def world(seed: int, split: Split, per_kind: int) -> list[Entity]:
    """A closed world: `per_kind` things of every kind that refer to each other."""
    rng = random.Random(seed)
    names = Names(rng, split)
    things: dict[str, list[Entity]] = {noun: [] for noun in sorted(kinds())}
    seen: set[str] = set()
    for noun, members in things.items():
        while len(members) < per_kind:
            entity = bare(kinds()[noun], names)
            if entity.name not in seen:
                seen.add(entity.name)
                members.append(entity)
    for members in things.values():
        for entity in members:
            for attribute in _choose(entity.kind, rng):
                if attribute.refers_to is None:
                    entity.facts.append(Fact(attribute, fill(attribute.value, names)))
                else:
                    other = rng.choice([one for one in things[attribute.refers_to] if one is not entity])
                    entity.facts.append(Fact(attribute, other.name, other))
    return [entity for members in things.values() for entity in members]


def _choose(kind: Kind, rng: random.Random) -> list[Attribute]:
    return rng.sample(kind.attributes, rng.choice(FACTS))


def _plain_fact(kind: Kind, names: Names) -> Fact:
    attribute = names.rng.choice([one for one in kind.attributes if one.refers_to is None])
    return Fact(attribute, fill(attribute.value, names))


def wordings(attribute: Attribute, held_out: bool = False) -> list[Wording]:
    """Every wording of an attribute, its own first."""
    own = attribute.held_out if held_out else attribute.wordings
    return [*own, *labelled(attribute, held_out)]


def statements(claim: Claim, held_out: bool = False) -> list[str]:
    """Every wording of a claim as a sentence."""
    shown = [one.statement for one in wordings(claim.fact.attribute, held_out) if one.statement]
    return [sentence(_apply(text, claim)) for text in shown]


def questions(claim: Claim, held_out: bool = False) -> list[str]:
    """Every wording of a claim as a question."""
    return [sentence(_apply(one.question, claim)) for one in wordings(claim.fact.attribute, held_out)]


def state(claim: Claim, rng: random.Random) -> str:
    """One wording of a claim as a sentence: an attribute's own wordings are as frequent as those of its labels."""
    return _draw(statements(claim), len(claim.fact.attribute.wordings), rng)


def ask(claim: Claim, rng: random.Random) -> str:
    """One wording of a claim as a question, drawn like `state`."""
    return _draw(questions(claim), len(claim.fact.attribute.wordings), rng)


def _draw(texts: list[str], own: int, rng: random.Random) -> str:
    return rng.choice(texts[:own] if rng.random() < 0.5 else texts[own:])


def _apply(text: str, claim: Claim) -> str:
    return text.replace("{n}", claim.subject).replace("{v}", claim.fact.value)
