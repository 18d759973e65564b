"""Token rows for pre-training: samples packed whole into rows of `LENGTH` tokens; shard `i` of a seed is always the same."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from language.mixture import END, Mixture

LENGTH = 512
ROWS = 2048
# Half of the samples begin with the end-of-text token, so that the model can also write from nothing.
START_SHARE = 0.5


@dataclass(frozen=True)
class Shard:
    """`ROWS` rows of `LENGTH` tokens."""

    ids: np.ndarray
    loss: np.ndarray
    """1 where predicting this token carries loss."""
    segment: np.ndarray
    """Number of the sample within the row, from 1; 0 is padding."""
    position: np.ndarray
    """Position within the sample."""


class Stream:
    """The training stream as shards."""

    def __init__(self, tokenizer: Path, seed: int = 1):
        self.tokenizer, self.seed = Tokenizer.from_file(str(tokenizer)), seed
        self.mixture = Mixture.train()
        self.end = self.tokenizer.token_to_id(END)

    def shard(self, index: int) -> Shard:
        """Shard `index`, from 0."""
        rng = random.Random(f"{self.seed}-{index}")
        shard = Shard(np.zeros((ROWS, LENGTH), np.int64), np.zeros((ROWS, LENGTH), bool),
                      np.zeros((ROWS, LENGTH), np.int64), np.zeros((ROWS, LENGTH), np.int64))
        for row, samples in enumerate(self._packed(rng)):
            at = 0
            for number, (ids, loss) in enumerate(samples, 1):
                place = np.s_[row, at:at + len(ids)]
                shard.ids[place], shard.loss[place] = ids, loss
                shard.segment[place], shard.position[place] = number, np.arange(len(ids))
                shard.loss[row, at] = False  # nothing before it predicts it
                at += len(ids)
        return shard

    def _packed(self, rng: random.Random) -> list[list]:
        """Rows of samples, each filled with the longest samples that still fit."""
        waiting: list[list] = [[] for _ in range(LENGTH + 1)]
        rows, stock = [], 0
        while len(rows) < ROWS:
            while stock < 400:
                for sample in self._encoded(rng, 200):
                    if len(sample[0]) <= LENGTH:
                        waiting[len(sample[0])].append(sample)
                        stock += 1
            row, room = [], LENGTH
            row.append(self._take(waiting, rng.choice([n for n in range(LENGTH + 1) if waiting[n]])))
            room -= len(row[0][0])
            stock -= 1
            while (fit := next((n for n in range(room, 0, -1) if waiting[n]), None)) and stock:
                if room > 200:  # any sample while there is room: long ones must not crowd together
                    fit = rng.choice([n for n in range(1, room + 1) if waiting[n]])
                row.append(self._take(waiting, fit))
                room -= fit
                stock -= 1
            rng.shuffle(row)
            rows.append(row)
        return rows

    @staticmethod
    def _take(waiting: list[list], length: int):
        return waiting[length].pop()

    def _encoded(self, rng: random.Random, count: int) -> list[tuple[list[int], list[bool]]]:
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
