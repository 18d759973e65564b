"""The torch + transformers + peft contestant: LoRA steps, SEAL's recipe and greedy decoding (tools/bench/README.md)."""
import argparse
import json
import os
import sys
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("workload", choices=["lora-step", "seal-recipe", "decode"])
parser.add_argument("--model", required=True, help="Hugging Face model directory")
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--precision", choices=["f32", "bf16", "autocast", "bf16-autocast"], default="autocast",
                    help="f32; bf16 weights; f32 weights under bf16 autocast; bf16 weights under bf16 autocast")
parser.add_argument("--rows", default="8x64", help="ROWSxTOKENS, or a JSON file with a list of lists of row lengths")
parser.add_argument("--rows-per-step", type=int, default=8)
parser.add_argument("--sort-rows", action="store_true", help="sort a self-edit's rows by length before batching")
parser.add_argument("--steps-per-unit", type=int, default=1, help="repeat the unit's work, for tiny models")
parser.add_argument("--batch", type=int, default=1, help="decode: sequences at once")
parser.add_argument("--prompt", type=int, default=32)
parser.add_argument("--new", type=int, default=64)
parser.add_argument("--compile", action="store_true", help="torch.compile (inductor)")
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import peft  # noqa: E402: the thread count is read when torch loads
import torch  # noqa: E402
import transformers  # noqa: E402

import protocol  # noqa: E402

ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SEAL_PAD, SEAL_EPOCHS = 2048, 10


def row_lengths():
    """A list of self-edits, each a list of row lengths in tokens."""
    if os.path.exists(args.rows):
        with open(args.rows, encoding="utf-8") as file:
            edits = json.load(file)
        return [sorted(edit, reverse=True) if args.sort_rows else edit for edit in edits]
    rows, tokens = map(int, args.rows.split("x"))
    return [[tokens] * rows]


def load_base():
    dtype = torch.bfloat16 if args.precision.startswith("bf16") else torch.float32
    return transformers.AutoModelForCausalLM.from_pretrained(args.model, dtype=dtype, attn_implementation="sdpa")


def padded(edit, lengths, first_row, vocab, width):
    """input_ids, attention_mask (None when nothing is padded) and labels, all (rows, width)."""
    ids = torch.zeros(len(lengths), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for r, n in enumerate(lengths):
        ids[r, :n] = torch.tensor([protocol.token_id(edit, first_row + r, t, vocab) for t in range(n)])
        mask[r, :n] = 1
    labels = ids.masked_fill(mask == 0, -100)
    return ids, (None if bool(mask.all()) else mask), labels


class Trainer:
    """LoRA on the base as `peft` does it, with AdamW and clipping at 1."""

    def __init__(self, rank, alpha, targets, lr):
        base = load_base()
        self.vocab = base.config.vocab_size
        config = peft.LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM")
        model = peft.get_peft_model(base, config)
        model.train()
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=lr, fused=True)
        self.model = torch.compile(model) if args.compile else model

    def step(self, ids, mask, labels):
        """One optimizer step; returns the loss."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled="autocast" in args.precision):
            loss = self.model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()


def lora_step():
    """The unit: one pass over self-edit `index`, one optimizer step per `--rows-per-step` rows."""
    edits = row_lengths()
    trainer = Trainer(16, 32, ALL_LINEAR, 1e-4)

    def unit(index):
        e = index % len(edits)
        starts = range(0, len(edits[e]), args.rows_per_step)
        groups = [(s, edits[e][s : s + args.rows_per_step]) for s in starts]
        batches = [padded(e, lengths, s, trainer.vocab, max(lengths)) for s, lengths in groups]
        begin = time.perf_counter()
        for _ in range(args.steps_per_unit):
            losses = [trainer.step(*batch) for batch in batches]
        seconds = time.perf_counter() - begin
        return {"seconds": seconds, "tokens": sum(edits[e]) * args.steps_per_unit, "loss": losses[0],
                "computed_tokens": sum(b[0].numel() for b in batches) * args.steps_per_unit}

    return unit


def seal_recipe():
    """The unit: one row of self-edit `index`, padded to 2048; `scale` makes it the whole self-edit, 10 epochs."""
    edits = row_lengths()
    trainer = Trainer(32, 64, ["q_proj", "v_proj"], 1e-3)

    def unit(index):
        e = index % len(edits)
        batch = padded(e, edits[e][:1], 0, trainer.vocab, SEAL_PAD)
        begin = time.perf_counter()
        loss = trainer.step(*batch)
        seconds = time.perf_counter() - begin
        scale = len(edits[e]) * SEAL_EPOCHS
        return {"seconds": seconds, "scale": scale, "tokens": sum(edits[e]) * SEAL_EPOCHS / scale, "loss": loss,
                "computed_tokens": SEAL_PAD}

    return unit


def decode():
    """The unit: greedy decoding of `--new` tokens after `--prompt`, the first of them given by the prefill."""
    model = load_base().eval()
    forward = torch.compile(model.forward, dynamic=True) if args.compile else model.forward
    vocab = model.config.vocab_size

    @torch.inference_mode()
    def unit(index):
        ids = torch.tensor([[protocol.token_id(index, row, t, vocab) for t in range(args.prompt)] for row in range(args.batch)])
        begin = time.perf_counter()
        out = model(input_ids=ids, use_cache=True, logits_to_keep=1)
        token = out.logits[:, -1].argmax(-1, keepdim=True)
        prefilled = time.perf_counter()
        written = [token]
        for _ in range(args.new):
            out = forward(input_ids=token, past_key_values=out.past_key_values, use_cache=True, logits_to_keep=1)
            token = out.logits[:, -1].argmax(-1, keepdim=True)
            written.append(token)
        end = time.perf_counter()
        return {"seconds": end - prefilled, "tokens": args.batch * args.new, "prefill_seconds": prefilled - begin,
                "first_ids": torch.cat(written, 1)[0, :8].tolist()}

    return unit


def setup():
    torch.set_num_threads(args.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(0)
    unit = {"lora-step": lora_step, "seal-recipe": seal_recipe, "decode": decode}[args.workload]()
    return {"versions": {m.__name__: m.__version__ for m in (torch, transformers, peft)} | {"python": sys.version.split()[0]},
            "threads": torch.get_num_threads(), "isa": torch.backends.cpu.get_cpu_capability(), **vars(args)}, unit


if __name__ == "__main__":
    protocol.serve(setup)
