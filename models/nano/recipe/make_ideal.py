"""Makes eval/ideal-60.json: the generator's own good self-edits of the last documents of eval/bulletins-200.json, what an oracle would write.

    python make_ideal.py --bulletins ../../../eval/bulletins-200.json --to ../../../eval/ideal-60.json
"""

import argparse
import json
import random
from pathlib import Path

from language import documents, selfedits
from language.documents import Document
from language.entities import fresh
from language.names import Split
from make_examples import EVAL_SEED, article

IDEAL_SEED = 990040


def regenerated(count: int) -> list[Document]:
    """The documents of `make_examples.bulletins`, from its seed."""
    rng, found = random.Random(EVAL_SEED), {}
    while len(found) < count:
        document = documents.write(fresh(rng, Split.HELD_OUT), rng)
        if document.entity.name not in found:
            article(document, len(found), rng)
            found[document.entity.name] = document
    return list(found.values())


def ideal(document: Document, seed: int) -> dict[str, str]:
    """One good self-edit of each format: every fact, names resolved."""
    rng = random.Random(IDEAL_SEED + seed)
    return {form: selfedits.write(form, document, selfedits.Quality.GOOD, rng) for form in selfedits.FORMATS}


def write(bulletins: Path, to: Path, count: int = 60) -> None:
    """One object a line: the title, and a text for each format."""
    known = json.loads(bulletins.read_text())["data"]
    lines = []
    for number, document in enumerate(regenerated(len(known))):
        if document.passage != known[number]["paragraphs"][0]["context"]:
            raise SystemExit(f"document {number} is not the one in {bulletins}: the recipe has changed since; make the examples anew")
        if number >= len(known) - count:
            lines.append(json.dumps({"title": document.title, "texts": ideal(document, number)}, ensure_ascii=False))
    to.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bulletins", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    o = parser.parse_args()
    write(o.bulletins, o.to)


if __name__ == "__main__":
    main()
