"""The ladder of self-edits: what is learned of one held-out document, and what is lost of the old memory, for each kind of training rows.

    python ladder.py --model FOLDER [--documents 40] [--steps 80] [--threads 2] [--json FILE]

LoRA on every linear layer, one document at a time, from the same base; every row of the table takes the same number of optimiser steps.
Rows are texts or chat turns as the product trains them; KL holds the base's own samples."""

import argparse
import json
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from evaluate import ANSWER, EDIT, held_out_documents, wording
from generate import Writer
from grade import same, share
from language import probes, selfedits
from language.documents import Document
from language.mixture import END, Mixture, claims_of, closed
from language.prompts import prompt, reply, user
from language.selfedits import Quality
from model import Rows

RANK, ALPHA, RATE, IN_STEP = 16, 32, 3e-3, 8
SAMPLES = 256


class Ladder:
    """Trains and asks."""

    def __init__(self, writer: Writer, steps: int):
        self.writer, self.steps = writer, steps
        for parameter in writer.model.parameters():
            parameter.requires_grad_(False)
        self.samples = self._base_samples()
        rng = random.Random(5)
        memory = Mixture.train().memory
        self.old = [(wording(claim, False, rng), claim.fact.value) for claim in rng.sample([c for t in memory for c in claims_of(t)], 40)]

    def _base_samples(self) -> list[tuple[list[int], torch.Tensor]]:
        """Texts that the base writes from nothing, with its probabilities."""
        out = []
        for ids in self.writer.from_nothing(SAMPLES, 120, seed=6):
            if len(ids) > 4:
                with torch.no_grad():
                    out.append((ids, self._logits([ids]).log_softmax(-1)))
        return out

    def _logits(self, rows: list[list[int]]) -> torch.Tensor:
        """Logits of rows that lie end to end, (tokens, vocabulary)."""
        ids = torch.tensor([token for row in rows for token in row])[None]
        position = torch.cat([torch.arange(len(row)) for row in rows])[None]
        segment = torch.cat([torch.full((len(row),), number) for number, row in enumerate(rows)])
        model = self.writer.model
        return model.head(model.hidden(ids, position, Rows([(1, ids.shape[1])], segment, torch.float32))[0])

    def train(self, texts: list[str], kl: float, seed: int) -> None:
        """Puts a fresh adapter into the model and trains it."""
        generator = torch.Generator().manual_seed(seed)
        parameters = [p for linear in self.writer.model.linears() for p in linear.add_lora(RANK, ALPHA, generator)]
        optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0)
        rows, rng, queue = [self.writer.ids(text) for text in texts], random.Random(seed), []
        for step in range(self.steps):
            while len(queue) < min(IN_STEP, len(rows)):
                queue += rng.sample(range(len(rows)), len(rows))
            batch, queue = [rows[index] for index in queue[:IN_STEP]], queue[IN_STEP:]
            held = rng.sample(self.samples, IN_STEP) if kl else []
            logits = self._logits(batch + [ids for ids, _ in held])
            split = sum(map(len, batch))
            loss = self._cross_entropy(logits[:split], batch)
            if kl:
                base, now = torch.cat([one for _, one in held]), logits[split:].log_softmax(-1)
                loss = loss + kl * (base.exp() * (base - now)).sum(-1).mean()
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - step / self.steps)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    @staticmethod
    def _cross_entropy(logits: torch.Tensor, batch: list[list[int]]) -> torch.Tensor:
        ids = torch.tensor([token for row in batch for token in row])
        ends = torch.tensor([len(row) for row in batch]).cumsum(0) - 1
        keep = torch.ones(len(ids), dtype=torch.bool)
        keep[ends] = False
        return F.cross_entropy(logits[keep], ids.roll(-1)[keep])

    def plain(self) -> None:
        """Takes the adapter out."""
        for linear in self.writer.model.linears():
            linear.scale = 0.0

    def ask(self, questions: list[tuple[str, str]]) -> list[bool]:
        """Right or wrong, without a passage."""
        said = self.writer.write([closed(text) for text, _ in questions], ANSWER)
        return [same(text, answer) for text, (_, answer) in zip(said, questions, strict=True)]

    def rows(self, document: Document, seed: int) -> dict[str, tuple[list[str], float]]:
        """The rows of the table: training texts, and the weight of KL."""

        def write(form: str, count: int, temperature: float = 1.0) -> list[str]:
            ask = user(prompt(form, document.title, document.passage))
            return self.writer.write([ask] * count, EDIT, temperature, seed)

        def lines(texts: list[str]) -> list[str]:
            return sorted({line + END for text in texts for line in text.splitlines() if line.strip()})

        passage = [document.text + END]
        ideal = selfedits.write("implications_long", document, Quality.GOOD, random.Random(seed)).splitlines()
        pairs = sorted({closed(q) + reply(a) + END for text in write("self_qa", 3) for asked, a in probes.read(text) for q in asked})
        three = lines(write("implications", 3) + write("implications_long", 2))
        union = passage + three + pairs + lines(write("key_facts", 2)) + [text + END for text in write("rewrite", 2)]
        return {
            "passage only": (passage, 0.0),
            "+ own implications": (passage + lines(write("implications", 1)), 0.0),
            "+ ideal implications": (passage + [line + END for line in ideal], 0.0),
            "+ own question-answer pairs": (passage + pairs, 0.0),
            "union of formats": (union, 0.0),
            "union of formats, KL": (union, 1.0),
        }


def main() -> None:
    """Prints the table, one JSON line a row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=40)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    started, ladder = time.time(), Ladder(Writer(o.model, "cpu"), o.steps)
    found: dict[str, dict[str, list[bool]]] = {}
    for number, document in enumerate(held_out_documents(o.documents, seed=990002)):
        rng = random.Random(number)
        asked = [(wording(claim, held_out, rng), claim.fact.value) for claim in document.direct for held_out in (False, True)]
        ladder.plain()
        tables = {"before": ([], 0.0), **ladder.rows(document, number)}
        for name, (texts, kl) in tables.items():
            ladder.plain()
            if texts:
                ladder.train(texts, kl, number)
            row = found.setdefault(name, {"document": [], "old memory": []})
            row["document"] += ladder.ask(asked)
            row["old memory"] += ladder.ask(ladder.old)
        print(json.dumps({"documents": number + 1, "seconds": round(time.time() - started)}), flush=True)
    report = {name: {what: share(hits) for what, hits in row.items()} for name, row in found.items()}
    for name, row in report.items():
        print(json.dumps({name: row}))
    if o.json:
        o.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
