"""Trains an adapter with PyTorch and PEFT from given LoRA weights and reports the loss curve, for comparison with the engine.

    python tools/golden/train_peft.py MODEL_DIR ROWS.json OUT.json --adapter DIR [--save DIR]

ROWS.json is a list of {"ids": [...], "mask": [...]}: mask[t] = 1 makes token t a target, mask[0] is 0. Step s trains on
rows s*batch .. (s+1)*batch, going round. Every default is that of tools/golden/engine.py (AdamW, linear schedule with
warm-up, clipping); the loss is the sum over the batch's targets divided by their number. OUT.json gets `losses` (before
each step), `grad_norms` (before clipping), `learning_rates`, `tokens`, `seconds` of each step, and the options.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from engine import TRAIN, learning_rates, load, set_up, train


def read_rows(path):
    rows = []
    for i, row in enumerate(json.loads(Path(path).read_text())):
        ids, mask = row["ids"], row["mask"]
        if len(ids) != len(mask) or not any(mask) or mask[0]:
            sys.exit(f"{path}: row {i} needs a mask as long as its ids, with mask[0] = 0 and at least one 1")
        rows.append((torch.tensor(ids, dtype=torch.int64), torch.tensor(mask, dtype=torch.uint8)))
    return rows


def batches_of(rows, size):
    """As many batches as are needed to go round evenly; the last one of a round may be smaller."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "rows", "out"):
        parser.add_argument(name)
    parser.add_argument("--adapter", required=True, help="PEFT directory with the LoRA weights to begin with")
    parser.add_argument("--save", help="write the trained adapter to this PEFT directory")
    parser.add_argument("--batch", type=int, help="rows of a step (default: all)")
    parser.add_argument("--steps", type=int, default=TRAIN["steps"])
    parser.add_argument("--lr", type=float, default=TRAIN["learning_rate"], help="peak learning rate")
    parser.add_argument("--warmup", type=int, default=TRAIN["warmup_steps"], help="steps from learning rate 0 to the peak")
    parser.add_argument("--weight-decay", type=float, default=TRAIN["weight_decay"])
    parser.add_argument("--max-grad-norm", type=float, default=TRAIN["max_grad_norm"])
    parser.add_argument("--bf16", action="store_true", help="forward under torch.autocast('cpu', bfloat16)")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main():
    args = arguments()
    set_up()
    torch.set_num_threads(args.threads)
    rows = read_rows(args.rows)
    batches = batches_of(rows, args.batch or len(rows))
    options = {**TRAIN, "weight_decay": args.weight_decay, "max_grad_norm": args.max_grad_norm}
    rates = learning_rates(args.steps, args.lr, args.warmup)
    model = load(args.model, args.adapter)
    start = time.perf_counter()
    losses, norms = train(model, batches, rates, options, autocast=args.bf16)
    seconds = time.perf_counter() - start
    if args.save:
        model.save_pretrained(args.save, save_embedding_layers=False)
    tokens = [sum(len(ids) for ids, _ in batches[s % len(batches)]) for s in range(args.steps)]
    report = dict(losses=losses, grad_norms=norms, learning_rates=rates, tokens=tokens, seconds=seconds, options=vars(args))
    Path(args.out).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
