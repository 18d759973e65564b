"""Token batches for pre-training: samples packed whole into rows of three lengths; batch `i` of a seed is always the same.

Attention costs the square of a row's length, and half of the samples are short: so short samples lie in short rows. All rows of a
batch lie end to end, since everything but attention treats tokens one by one."""

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from torch.utils.data import DataLoader

from language.mixture import END, Mixture

LENGTHS = (128, 256, 512)
# Half of the samples begin with the end-of-text token, so that the model can also write from nothing.
START_SHARE = 0.5

# Token ids of one sample, and for each whether it carries loss.
Sample = tuple[list[int], list[bool]]


@dataclass(frozen=True)
class Batch:
    """Rows end to end; every array has one entry a token."""

    rows: list[tuple[int, int]]
    """How many rows of which length, in order."""
    ids: np.ndarray
    loss: np.ndarray
    """True where the *next* token carries loss."""
    segment: np.ndarray
    """Number of the sample within its row, from 1; 0 is padding."""
    position: np.ndarray
    """Position within the sample."""


class Stream:
    """The training stream as batches of about `tokens` tokens."""

    def __init__(self, tokenizer: Path, seed: int, tokens: int, mixture: Mixture | None = None):
        self.tokenizer, self.seed, self.tokens = Tokenizer.from_file(str(tokenizer)), seed, tokens
        self.mixture = mixture or Mixture.train()
        self.end = self.tokenizer.token_to_id(END)

    def batches(self, first: int, end: int, workers: int) -> Iterable[Batch]:
        """Batches `first` to `end` (exclusive), in order, made ahead by so many processes; 0 makes each when it is asked for."""
        return DataLoader(self, batch_size=None, sampler=range(first, end), num_workers=workers, worker_init_fn=_alone)

    def __getitem__(self, index: int) -> Batch:
        """Batch `index`, from 0."""
        rng = random.Random(f"{self.seed}-{index}")
        samples, total = [], 0
        while total < self.tokens:
            for sample in self._encoded(rng, 16):
                if len(sample[0]) <= LENGTHS[-1] and total < self.tokens:
                    samples.append(sample)
                    total += len(sample[0])
        return _lay_out(_pack(samples))

    def _encoded(self, rng: random.Random, count: int) -> list[Sample]:
        samples = [self.mixture.sample(rng) for _ in range(count)]
        samples = [[(END, False), *spans] if rng.random() < START_SHARE else spans for spans in samples]
        flat = iter(self.tokenizer.encode_batch([text for spans in samples for text, _ in spans]))
        out = []
        for spans in samples:
            ids, loss = [], []
            for _, carries in spans:
                piece = next(flat).ids
                ids += piece
                loss += [carries] * len(piece)
            out.append((ids, loss))
        return out


def _alone(_worker: int) -> None:
    """A worker is one of many processes: the tokenizer needs no threads in it."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _pack(samples: list[Sample]) -> dict[int, list[list[Sample]]]:
    """Rows by length: the longest samples first, each into the first row that has room, else into a new row that is long enough."""
    rows: list[tuple[int, list[Sample]]] = []
    room: list[int] = []
    for sample in sorted(samples, key=lambda one: -len(one[0])):
        need = len(sample[0])
        at = next((index for index, left in enumerate(room) if left >= need), None)
        if at is None:
            length = next(length for length in LENGTHS if length >= need)
            at = len(rows)
            rows.append((length, []))
            room.append(length)
        rows[at][1].append(sample)
        room[at] -= need
    return {length: [members for own, members in rows if own == length] for length in LENGTHS}


def _lay_out(rows: dict[int, list[list[Sample]]]) -> Batch:
    shape = [(len(members), length) for length, members in rows.items() if members]
    total = sum(count * length for count, length in shape)
    batch = Batch(shape, np.zeros(total, np.int64), np.zeros(total, bool), np.zeros(total, np.int64), np.zeros(total, np.int64))
    start = 0
    for length, members in rows.items():
        for row in members:
            at = start
            for number, (ids, loss) in enumerate(row, 1):
                place = np.s_[at:at + len(ids)]
                batch.ids[place], batch.segment[place], batch.position[place] = ids, number, np.arange(len(ids))
                batch.loss[at:at + len(ids) - 1] = loss[1:]  # the first token of a sample is predicted by nothing
                at += len(ids)
            start += length
    return batch
