"""Puts a trained model where the program takes it from, with what it was made of.

    python publish.py --model RUN/export --to ../weights [--seed 2 --batch 8192]

Checks that the export is the folder's checkpoint in bf16 and small enough, replaces every file of `--to`, writes
`provenance.json` (tokens, seed, hash of the recipe, sha256 of each file), and renews `tests/nano/remembered.json`, the
questions from memory that the tests ask. Nothing is replaced unless everything is in order. Then commit."""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from language.prompts import PROMPTS
from remembered import REMEMBERED, remembered, write

HERE = Path(__file__).parent
FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "model.safetensors")
MOST_BYTES = 24 << 20
# What decides the weights; the rest measures them.
RECIPE = ("language/*.py", "language/tables/*.txt", "data.py", "make_tokenizer.py", "model.py", "muon.py", "pretrain.py")


def sha256(path: Path) -> str:
    """The hash that `sha256sum` prints."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def recipe_hash(folder: Path = HERE) -> str:
    """sha256 over `sha256  path` lines of the recipe's files and the prompts, sorted by path."""
    named = {path.relative_to(folder).as_posix(): path for pattern in RECIPE for path in folder.glob(pattern)}
    named |= {f"prompts/{path.name}": path for path in PROMPTS.glob("*.txt")}
    return hashlib.sha256("".join(f"{sha256(named[name])}  {name}\n" for name in sorted(named)).encode()).hexdigest()


def check(folder: Path) -> None:
    """Refuses what the program should not carry."""
    absent = [name for name in FILES if not (folder / name).is_file()]
    if absent:
        sys.exit(f"{folder} lacks {', '.join(absent)}: give the export folder that pretrain.py writes")
    size = sum((folder / name).stat().st_size for name in FILES)
    if size > MOST_BYTES:
        sys.exit(f"{folder} has {size} bytes, more than {MOST_BYTES}: train a smaller --shape")
    for name, tensor in load_file(folder / "model.safetensors").items():
        if tensor.dtype != torch.bfloat16:
            sys.exit(f"{folder}: {name} is {tensor.dtype}: export in bf16")
        if not tensor.isfinite().all():
            sys.exit(f"{folder}: {name} is not finite: the training diverged")


def steps_of(folder: Path, checkpoint: Path) -> int:
    """Steps behind the export, after making sure that it is this checkpoint."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    for name, tensor in load_file(folder / "model.safetensors").items():
        if not torch.equal(tensor, state["model"][name].to(torch.bfloat16)):
            sys.exit(f"{folder} is not {checkpoint}: {name} differs (is the run just saving? then try again)")
    return state["step"]


def stage(export: Path, to: Path, recipe: Path, seed: int, batch: int) -> dict:
    """Copies an export into the folder `to` (a run in progress renews it), checks it, and writes and returns its provenance."""
    for name in FILES:
        if (export / name).is_file():
            shutil.copyfile(export / name, to / name)
    check(to)
    steps = steps_of(to, export.resolve().parent / "last.pt")
    provenance = {"tokens": steps * batch, "steps": steps, "seed": seed, "recipe": recipe_hash(recipe),
                  "files": {name: sha256(to / name) for name in FILES}}
    (to / "provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")
    return provenance


def main() -> None:
    """Publishes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="export folder; last.pt lies beside it")
    parser.add_argument("--to", type=Path, default=HERE.parent / "weights")
    parser.add_argument("--remembered", type=Path, default=REMEMBERED)
    parser.add_argument("--recipe", type=Path, default=HERE, help="the recipe that the run used, if it is not this one")
    parser.add_argument("--seed", type=int, default=2, help="that of pretrain.py")
    parser.add_argument("--batch", type=int, default=8192, help="that of pretrain.py")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=o.to.resolve().parent) as kept:
        staged = Path(kept) / "weights"
        staged.mkdir()
        provenance = stage(o.model, staged, o.recipe, o.seed, o.batch)
        asked = remembered(staged)
        if o.to.exists():
            o.to.rename(Path(kept) / "old")
        staged.rename(o.to)
    write(asked, o.remembered)
    print(json.dumps(provenance, indent=1))


if __name__ == "__main__":
    main()
