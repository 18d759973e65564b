"""Finds facts of the training memory that a model answers in every wording, for tests to ask.

    python remembered.py --model FOLDER [--to ../../../tests/nano/remembered.json]

publish.py does it with every new model."""

import argparse
import json
import random
import sys
from pathlib import Path

import torch

from evaluate import ANSWER
from generate import Writer
from grade import same
from language.entities import Claim, questions
from language.mixture import Mixture, claims_of, closed

REMEMBERED = Path(__file__).parents[3] / "tests/nano/remembered.json"
COUNT, CANDIDATES = 3, 60


def surest(writer: Writer, claims: list[Claim]) -> list[tuple[float, Claim]]:
    """Claims answered in every wording, with the log-probability of the answer in the worst of them."""
    found = []
    for claim in claims:
        asked = [closed(text) for held_out in (False, True) for text in questions(claim, held_out)]
        if all(same(text, claim.fact.value) for text in writer.write(asked, ANSWER)):
            found.append((min(writer.log_prob(text, [claim.fact.value])[0] for text in asked), claim))
    return found


def remembered(folder: Path) -> list[dict]:
    """Questions in a shown and a held-out wording, with the answer, one fact of a kind."""
    torch.set_num_threads(1)
    memory = Mixture.train().memory
    claims = [claim for thing in memory for claim in claims_of(thing)]
    picked = random.Random(8).sample(claims, CANDIDATES)
    kind_of = {thing.name: thing.kind.noun for thing in memory}
    kinds: dict[str, dict] = {}
    for sure, claim in sorted(surest(Writer(folder, "cpu"), picked), key=lambda one: -one[0]):
        asked = {"shown": questions(claim)[0], "held_out": questions(claim, held_out=True)[0]}
        kinds.setdefault(kind_of[claim.subject], {**asked, "answer": claim.fact.value, "worst_log_prob": round(sure, 3)})
    if len(kinds) < COUNT:
        sys.exit(f"{folder} answers facts of {len(kinds)} kinds in every wording, the tests need {COUNT}: train longer")
    return list(kinds.values())[:COUNT]


def write(facts: list[dict], to: Path) -> None:
    """Writes the file."""
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(facts, indent=1) + "\n")


def main() -> None:
    """Asks and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=REMEMBERED)
    o = parser.parse_args()
    write(remembered(o.model), o.to)


if __name__ == "__main__":
    main()
