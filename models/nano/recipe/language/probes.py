"""Probes: questions with short answers, two wordings of a fact."""

import random

from .documents import Document
from .entities import Claim, ask
from .selfedits import picked

# Facts that one exam asks for, at most.
MOST = 6


def write(document: Document, rng: random.Random) -> str:
    """Probes in the form that the product reads: two `Question:` lines, then one `Answer:` line, for some facts."""
    blocks, claims = [], [claim for claim in document.in_order if claim.hops == 2 or claim.subject == document.entity.name]
    for claim in picked(claims, min(MOST, len(claims)), rng):
        first, second = pair(claim, rng)
        blocks.append(f"Question: {first}\nQuestion: {second}\nAnswer: {claim.fact.value}")
    return "\n".join(blocks)


def pair(claim: Claim, rng: random.Random) -> tuple[str, str]:
    """Two different wordings of one question."""
    first = second = ask(claim, rng)
    while second == first:
        second = ask(claim, rng)
    return first, second


def read(text: str) -> list[tuple[list[str], str]]:
    """The inverse of `write`: questions and answer of every complete block."""
    blocks, asked = [], []
    for line in text.splitlines():
        if line.startswith("Question: "):
            asked.append(line.removeprefix("Question: ").strip())
        elif line.startswith("Answer: ") and asked:
            blocks.append((asked, line.removeprefix("Answer: ").strip()))
            asked = []
    return blocks
