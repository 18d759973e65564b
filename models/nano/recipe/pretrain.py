"""Trains nano from nothing.

    python pretrain.py --tokenizer FOLDER --run FOLDER [--threads 2] [--resume]

Loss only on what the model should write. The learning rate is constant, then falls in a straight line over the last `--decay` share of the
tokens; the state before the fall is kept as `trunk.pt`, and `--continue-from trunk.pt` with more tokens goes on from it. `--continue-from
../weights` goes on from published weights, with new moments and the count of tokens that their provenance gives.
Every few minutes it writes `last.pt` (for --resume) and `export/` (Hugging Face layout)."""

import argparse
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from data import Stream
from model import Nano, Rows, Shape, attention, describe, load
from muon import Muon

MUON_RATE, ADAM_RATE = 0.02, 3e-3
LOWEST = 0.03
WARM = 50


def fast_bf16() -> bool:
    """Whether there is a GPU, or the processor multiplies in bf16."""
    cpu = Path("/proc/cpuinfo")
    return torch.cuda.is_available() or (cpu.exists() and "avx512_bf16" in cpu.read_text())


def spare_cores() -> int:
    """Half of the cores (at most 8) beside a GPU; without one they all train."""
    return min(8, (os.cpu_count() or 2) // 2) if torch.cuda.is_available() else 0


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="folder of checkpoints")
    parser.add_argument("--tokens", type=float, default=93e6)
    parser.add_argument("--decay", type=float, default=0.4, help="share of the tokens over which the learning rate falls")
    parser.add_argument("--batch", type=int, default=8192, help="tokens in a step")
    parser.add_argument("--shape", type=json.loads, default={}, help='sizes that differ from the default, as JSON: {"layers": 4}')
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=spare_cores(), help="processes that make the text ahead: a GPU is faster than one")
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=fast_bf16(),
                        help="matrix products in bf16; without instructions for them f32 is a hundred times faster")
    parser.add_argument("--peak", type=float, default=1.0, help="the highest learning rate, relative to the usual one")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="fuse operations; needs a C++ compiler on a CPU")
    parser.add_argument("--minutes", type=float, default=4, help="between two checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from last.pt")
    parser.add_argument("--continue-from", type=Path, help="go on from this checkpoint or these published weights, with the schedule of --tokens")
    return parser.parse_args()


def factor(step: int, steps: int, decay: float, fresh: int = 0) -> float:
    """Learning rate relative to its highest; the moments were empty before step `fresh`."""
    fall = max(1, round(steps * decay))
    return min(1.0, (step - fresh + 1) / WARM) * (1.0 if step < steps - fall else max(LOWEST, (steps - step) / fall))


def token_loss(hidden, embedding, ids) -> torch.Tensor:
    """Mean cross-entropy of `ids` (n) after `hidden` (n, width)."""
    return F.cross_entropy(F.linear(hidden, embedding).float(), ids)


class Trainer:
    """One run."""

    def __init__(self, o: argparse.Namespace):
        self.o = o
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.set_num_threads(o.threads)
        torch.manual_seed(o.seed)
        self.stream = Stream(o.tokenizer / "tokenizer.json", o.seed, o.batch)
        self.shape = Shape(**{"vocab_size": self.stream.tokenizer.get_vocab_size(), **o.shape})
        self.model = Nano(self.shape).to(self.device)
        self.dtype = torch.bfloat16 if o.bf16 else torch.float32
        matrices = [p for n, p in self.model.named_parameters() if p.dim() == 2 and "embed" not in n]
        others = [p for n, p in self.model.named_parameters() if p.dim() < 2 or "embed" in n]
        self.optimizers = [Muon(matrices, MUON_RATE, dtype=self.dtype), torch.optim.AdamW(others, ADAM_RATE, betas=(0.9, 0.95), weight_decay=0.0)]
        self.attend, self.token_loss = attention, token_loss
        if o.compile:
            self.model.compile_blocks()
            self.attend, self.token_loss = (torch.compile(part, dynamic=True) for part in (attention, token_loss))
        self.steps = int(o.tokens / o.batch)
        self.step = self.fresh = 0
        o.run.mkdir(parents=True, exist_ok=True)
        start = o.run / "last.pt" if o.resume else o.continue_from
        if start and start.is_dir():
            self.start_from(start)
        elif start:
            self.restore(start)

    def start_from(self, weights: Path) -> None:
        """Takes published weights, which come without moments."""
        self.model.load_state_dict(load(weights).state_dict())
        self.step = self.fresh = json.loads((weights / "provenance.json").read_text())["steps"]

    def restore(self, path: Path) -> None:
        """Continues a checkpoint."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.fresh = state["step"], state.get("fresh", 0)

    def save(self, name: str) -> None:
        """Writes a checkpoint, whole or not at all."""
        state = {"model": self.model.state_dict(), "optimizers": [one.state_dict() for one in self.optimizers], "step": self.step, "fresh": self.fresh,
                 "shape": describe(self.shape)}
        torch.save(state, self.o.run / f"{name}.part")
        (self.o.run / f"{name}.part").replace(self.o.run / name)

    def export(self) -> None:
        """Writes the Hugging Face folder."""
        ids = [self.stream.tokenizer.token_to_id(token) for token in ("<|im_end|>", "<|endoftext|>")]
        self.model.save(self.o.run / "export", ids)
        for path in self.o.tokenizer.iterdir():
            shutil.copy(path, self.o.run / "export" / path.name)

    def loss(self, batch) -> torch.Tensor:
        """Mean loss over the tokens that carry it."""
        parts = (batch.ids, np.flatnonzero(batch.loss), batch.segment, batch.position)
        ids, carries, segment, position = (torch.from_numpy(part).to(self.device) for part in parts)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.o.bf16):
            hidden = self.model.hidden(ids[None], position[None], Rows(batch.rows, segment, self.dtype, self.attend))
            return self.token_loss(hidden[0].index_select(0, carries), self.model.model["embed_tokens"].weight, ids[carries + 1])

    def run(self) -> None:
        """Trains to the end."""
        print(json.dumps({"parameters": sum(p.numel() for p in self.model.parameters()), "steps": self.steps, "device": self.device}), flush=True)
        started = saved = time.time()
        first, losses = self.step, []
        trunk = self.steps - max(1, round(self.steps * self.o.decay))
        for batch in self.stream.batches(self.step, self.steps, self.o.workers):
            if self.step == trunk:
                self.save("trunk.pt")
            part = self.o.peak * factor(self.step, self.steps, self.o.decay, self.fresh)
            for optimizer, rate in zip(self.optimizers, (MUON_RATE, ADAM_RATE), strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = rate * part
            loss = self.loss(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            self.step += 1
            losses.append(loss.detach())  # a number only when it is printed: a GPU works on meanwhile
            if self.step % 25 == 0:
                seconds = time.time() - started
                rate = (self.step - first) * self.o.batch / seconds
                print(json.dumps({"step": self.step, "loss": round(torch.stack(losses[-25:]).mean().item(), 4), "rate": round(part, 3),
                                  "tokens": self.step * self.o.batch, "tokens_per_s": round(rate), "seconds": round(seconds)}), flush=True)
            if time.time() - saved > 60 * self.o.minutes:
                self.save("last.pt")
                self.export()
                saved = time.time()
        self.save("last.pt")
        self.export()


if __name__ == "__main__":
    Trainer(options()).run()
