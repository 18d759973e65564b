"""Loads a model and an adapter with real PEFT and writes the logits of given rows: the judge of adapters that the engine saved.

    python tools/golden/check_peft.py MODEL_DIR ADAPTER_DIR IDS.json OUT.safetensors

IDS.json is a list of rows of token ids, [[1, 2, 3], [4, 5]], or "-" for standard input. OUT.safetensors gets
`row{i}.base_logits` and `row{i}.lora_logits`, (T, V) f32 each, every row computed alone.
"""

import argparse
import contextlib
import json
import sys
from pathlib import Path

import torch
from engine import load, logits_of, lora_parameters, set_up
from peft.utils import load_peft_weights
from safetensors.torch import save_file


def read_rows(source, vocab_size):
    """Rows of ids as tensors; refuses what the model cannot look up."""
    rows = json.loads(sys.stdin.read() if source == "-" else Path(source).read_text())
    for i, ids in enumerate(rows):
        if not ids or not all(isinstance(t, int) and 0 <= t < vocab_size for t in ids):
            sys.exit(f"{source}: row {i} must be a non-empty list of ids in 0..{vocab_size - 1}")
    return [torch.tensor(ids, dtype=torch.int64) for ids in rows]


def check_complete(model, adapter):
    """Every matrix of the file must be in the model with those values, and none more: PEFT itself only warns."""
    saved = load_peft_weights(adapter, device="cpu")
    loaded = lora_parameters(model)
    odd = sorted(saved.keys() ^ loaded.keys())
    if odd:
        sys.exit(f"{adapter}: {len(odd)} names are only in the file or only in the model, the first is {odd[0]}")
    for name, value in saved.items():
        if not torch.equal(loaded[name].detach(), value.float()):
            sys.exit(f"{adapter}: {name} was not loaded as saved")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "adapter", "ids", "out"):
        parser.add_argument(name)
    args = parser.parse_args()
    set_up()
    model = load(args.model, args.adapter)
    check_complete(model, args.adapter)
    out = {}
    with torch.no_grad():
        for i, ids in enumerate(read_rows(args.ids, model.config.vocab_size)):
            for kind, context in (("base", model.disable_adapter), ("lora", contextlib.nullcontext)):
                with context():
                    out[f"row{i}.{kind}_logits"] = logits_of(model, ids).contiguous()
    save_file(out, args.out)


if __name__ == "__main__":
    main()
