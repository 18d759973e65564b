"""Self-edits of every format, good and poor on purpose, so that reward has something to choose."""

import random
from enum import Enum

from .documents import Document, kind_sentence, rewrite
from .entities import Claim, ask, sentence, state, statements, wordings


class Quality(Enum):
    """How a self-edit is written."""

    GOOD = "good"
    """Every fact, names resolved."""
    PARTIAL = "partial"
    """A few facts only."""
    VAGUE = "vague"
    """Remarks that say little."""
    UNRESOLVED = "unresolved"
    """Pronouns that nothing resolves once the line stands alone."""


# Half good; the rest is what an untrained base model writes.
MIX = {Quality.GOOD: 0.5, Quality.PARTIAL: 0.2, Quality.VAGUE: 0.12, Quality.UNRESOLVED: 0.18}

# How often a text takes the facts in the order of the passage: a reader who goes on from where they are repeats and forgets less.
IN_ORDER = 0.75

FORMATS = ("implications", "implications_long", "rewrite", "self_qa", "key_facts", "study_note")

VAGUE = ("There is more to say about {n}.", "{n} is of interest to many people.", "{n} is known in its own region.",
         "Much has been written about {n}.", "{n} has a long history.", "Many people have heard of {n}.")
VAGUE_QA = (("What is {n}?", "a {k}"), ("Is {n} of interest?", "yes"), ("Is there more to say about {n}?", "yes"),
            ("What is the passage about?", "{n}"))


def draw_quality(rng: random.Random) -> Quality:
    """A quality of the mix."""
    return rng.choices(list(MIX), MIX.values())[0]


def write(form: str, document: Document, quality: Quality, rng: random.Random) -> str:
    """A self-edit of `form` (one of `FORMATS`)."""
    claims = chosen(document, quality, rng)
    subject = document.entity.pronoun if quality is Quality.UNRESOLVED else None
    return _WRITERS[form](document, claims, quality, subject, rng)


def chosen(document: Document, quality: Quality, rng: random.Random) -> list[Claim]:
    """The claims that a self-edit of that quality covers."""
    claims = document.in_order
    if quality is Quality.GOOD:
        return picked(claims, len(claims), rng)
    if quality is Quality.VAGUE:
        return rng.sample(document.direct, rng.randint(0, 1))
    if quality is Quality.UNRESOLVED:
        return picked(document.direct, rng.randint(2, len(document.direct)), rng)
    return picked(claims, min(len(claims), rng.randint(1, 3)), rng)


def picked(claims: list[Claim], count: int, rng: random.Random) -> list[Claim]:
    """Some claims, mostly in their own order."""
    found = rng.sample(range(len(claims)), count)
    return [claims[index] for index in (sorted(found) if rng.random() < IN_ORDER else found)]


def statement(claim: Claim, rng: random.Random, subject: str | None = None) -> str:
    """One wording of a claim; `subject` replaces the name at the beginning."""
    if subject is None:
        return state(claim, rng)
    texts = [one.statement for one in wordings(claim.fact.attribute) if one.statement.startswith("{n}")]
    return sentence(rng.choice(texts).replace("{n}", subject).replace("{v}", claim.fact.value))


def question(claim: Claim, rng: random.Random, subject: str | None = None) -> str:
    """One wording of a claim as a question."""
    named = claim if subject is None else Claim("it" if subject == "it" else {"he": "him", "she": "her"}[subject], claim.fact)
    return ask(named, rng)


def _vague(document: Document, rng: random.Random, count: int) -> list[str]:
    lines = [kind_sentence(document.entity), *(sentence(text.replace("{n}", document.entity.name)) for text in VAGUE)]
    return rng.sample(lines, count)


def _implications(document, claims, quality, subject, rng) -> str:
    lines = [statement(claim, rng, subject) for claim in claims]
    if quality is Quality.VAGUE:
        lines += _vague(document, rng, rng.randint(2, 3))
    elif quality is Quality.GOOD and rng.random() < 0.3:
        lines.insert(0, kind_sentence(document.entity))
    return "\n".join(lines)


def _implications_long(document, claims, quality, subject, rng) -> str:
    lines = []
    for claim in claims:
        count = 2 if quality is Quality.GOOD else 1
        own = statements(claim)
        lines += rng.sample(own, count) if subject is None else [statement(claim, rng, subject)]
    if quality is Quality.VAGUE:
        lines += _vague(document, rng, rng.randint(3, 5))
    return "\n".join(lines)


def _rewrite(document, claims, quality, subject, rng) -> str:
    if quality is Quality.GOOD:
        return rewrite(document, rng)
    lines = [statement(claim, rng, subject) for claim in claims]
    if quality is Quality.VAGUE:
        lines += _vague(document, rng, rng.randint(2, 3))
    return " ".join(lines)


def _self_qa(document, claims, quality, subject, rng) -> str:
    pairs = [(question(claim, rng, subject), claim.fact.value) for claim in claims]
    if quality is Quality.VAGUE:
        marks = (("{n}", document.entity.name), ("{k}", document.entity.kind.noun))
        for pair in rng.sample(VAGUE_QA, 2):
            pairs.append(tuple(_replace(text, marks) for text in pair))
    return "\n".join(f"Question: {asked}\nAnswer: {answer}" for asked, answer in pairs)


def _key_facts(document, claims, quality, subject, rng) -> str:
    lines = []
    for claim in claims:
        label = rng.choice(claim.fact.attribute.labels)
        label = label[0].upper() + label[1:]
        lines.append(f"{label}: {claim.fact.value}" if subject else f"{label} of {claim.subject}: {claim.fact.value}")
    if quality is Quality.VAGUE:
        lines += [f"Kind of {document.entity.name}: {document.entity.kind.noun}", f"Title: {document.title}"]
    return "\n".join(lines)


def _study_note(document, claims, quality, subject, rng) -> str:
    lines = [statement(claim, rng, subject) for claim in claims]
    if quality is Quality.VAGUE:
        lines += _vague(document, rng, 2)
    note = f"Study note: {document.entity.name}\n" + " ".join(lines)
    if quality is Quality.GOOD:
        asked = rng.sample(claims, min(2, len(claims)))
        note += "\nRemember: " + " ".join(f"{question(claim, rng)} {sentence(_upper(claim.fact.value))}" for claim in asked)
    return note


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _replace(text: str, marks) -> str:
    for mark, value in marks:
        text = text.replace(mark, value)
    return text


_WRITERS = {"implications": _implications, "implications_long": _implications_long, "rewrite": _rewrite,
            "self_qa": _self_qa, "key_facts": _key_facts, "study_note": _study_note}
