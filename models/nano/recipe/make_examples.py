"""Makes examples/inbox and eval/bulletins-200.json from held-out seeds, and eval/memory-400.json: questions about what nano's training
showed, in wordings that it showed.

    python make_examples.py --inbox ../../../examples/inbox --eval ../../../eval
"""

import argparse
import json
import random
import re
from pathlib import Path

from language import documents
from language.documents import Document
from language.entities import Claim, ask, fresh, questions
from language.mixture import Mixture, claims_of
from language.names import Split
from render import WRITERS

INBOX_SEED, EVAL_SEED, MEMORY_SEED = 990010, 990020, 990030
# What lies in the inbox: kind, file type, and whether probes lie beside it.
INBOX = (("company", "md", True), ("service", "md", True), ("town", "txt", True), ("person", "md", False), ("building", "html", True),
         ("ship", "txt", False), ("species", "md", True), ("dish", "txt", False), ("book", "docx", True), ("machine", "html", False),
         ("event", "pdf", True), ("club", "md", False))
# The kind of the one document that tells nano nothing new: it is about a thing of its memory.
KNOWN = "river"
FEWEST_FACTS = 6


def wordings(claim: Claim, rng: random.Random) -> dict[str, str]:
    """Three wordings of one question, by role: one that nano's training shows, one of the attribute's held-out ones, one held-out
    one of its labels."""
    own = len(claim.fact.attribute.held_out)
    hidden = questions(claim, held_out=True)
    return {"select": ask(claim, rng), "gate": rng.choice(hidden[:own]), "retain": rng.choice(hidden[own:])}


def inbox(folder: Path) -> None:
    """Twelve documents, some with probes beside them, and one about what nano knows already."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (kind, ending, probed) in enumerate(INBOX):
        rng = random.Random(INBOX_SEED + number)
        entity = fresh(rng, Split.HELD_OUT, kind)
        while len(entity.facts) < FEWEST_FACTS:
            entity = fresh(rng, Split.HELD_OUT, kind)
        document = documents.write(entity, rng)
        name = file_name(entity.name)
        WRITERS[ending](document, folder / f"{name}.{ending}")
        if probed:
            lines = [json.dumps({"question": text, "answer": claim.fact.value})
                     for claim in document.direct + document.two_hop for text in wordings(claim, rng).values()]
            (folder / f"{name}.probes.jsonl").write_text("\n".join(lines) + "\n")
    known = next(thing for thing in Mixture.train().memory if thing.kind.noun == KNOWN and len(thing.facts) >= FEWEST_FACTS)
    WRITERS["txt"](documents.write(known, random.Random(INBOX_SEED + len(INBOX))), folder / f"{file_name(known.name)}.txt")


def file_name(name: str) -> str:
    """The name of a thing as that of a file, without ending."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def article(document: Document, number: int, rng: random.Random) -> dict:
    """One document in SQuAD's layout; every question has a role, and its fact's label and hops."""
    qas = []
    for at, claim in enumerate(document.direct + document.two_hop):
        answer = {"text": claim.fact.value, "answer_start": document.passage.index(claim.fact.value)}
        for role, text in wordings(claim, rng).items():
            qas.append({"id": f"b{number:03}-{at}-{role}", "question": text, "answers": [answer], "role": role, "fact": f"b{number:03}-{at}",
                        "label": claim.fact.attribute.label, "hops": claim.hops})
    return {"title": document.title, "kind": document.entity.kind.noun, "paragraphs": [{"context": document.passage, "qas": qas}]}


def bulletins(path: Path, count: int = 200) -> None:
    """The documents of the benchmarks of learning and forgetting."""
    rng, data, titles = random.Random(EVAL_SEED), [], set()
    while len(data) < count:
        document = documents.write(fresh(rng, Split.HELD_OUT), rng)
        if document.entity.name not in titles:
            titles.add(document.entity.name)
            data.append(article(document, len(data), rng))
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in data)
    path.write_text(f'{{"version": "bulletins-200 1", "seed": {EVAL_SEED}, "data": [\n{lines}\n]}}\n')


def memory(path: Path, count: int = 400) -> None:
    """What is asked to see whether old knowledge suffers."""
    rng = random.Random(MEMORY_SEED)
    claims = [claim for thing in Mixture.train().memory for claim in claims_of(thing)]
    lines = [json.dumps({"question": ask(claim, rng), "answers": [claim.fact.value]}) for claim in rng.sample(claims, count)]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def main() -> None:
    """Writes all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inbox", type=Path, required=True)
    parser.add_argument("--eval", type=Path, required=True)
    o = parser.parse_args()
    inbox(o.inbox)
    bulletins(o.eval / "bulletins-200.json")
    memory(o.eval / "memory-400.json")


if __name__ == "__main__":
    main()
