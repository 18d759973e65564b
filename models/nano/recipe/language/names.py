"""Open names built of syllables. Every name belongs to exactly one split, decided by its hash."""

import hashlib
import random
from enum import Enum

ONSETS = "b br c ch cr d dr f fl g gl gr h j k kr l m n p pr qu r s sh sk st t th tr v w y z".split()
VOWELS = "a e i o u ai ea ei ia io oa or ar er en an el al il ol on un".split()
ENDINGS = ["", *"n r l s th m nd rk ld st ck x ven dor mar lin ton ric wyn das bel len gar".split()]
TOWN_ENDINGS = "ford haven burg field mouth stead wick bridge dale port holm crest".split()
HELD_OUT_SHARE = 0.1


class Split(Enum):
    """Which world a name, and everything that bears it, belongs to."""

    TRAIN = "train"
    HELD_OUT = "held_out"


def split_of(word: str) -> Split:
    """The split of a name; case does not matter."""
    digest = hashlib.blake2b(word.lower().encode(), digest_size=4).digest()
    return Split.HELD_OUT if int.from_bytes(digest, "big") < HELD_OUT_SHARE * 2**32 else Split.TRAIN


class Names:
    """Draws names of one split."""

    def __init__(self, rng: random.Random, split: Split):
        self.rng, self.split = rng, split

    def word(self, syllables: int | None = None) -> str:
        """One capitalised name of so many syllables (2 unless told) and an ending."""
        return self._draw(lambda: self._raw(syllables or 2))

    def town(self) -> str:
        """A town's name, often with an ending such as `-ford`."""
        if self.rng.random() < 0.6:
            return self._draw(lambda: self._start(self.rng.choice((1, 2))).capitalize() + self.rng.choice(TOWN_ENDINGS))
        return self.word(2)

    def person(self) -> str:
        """First and last name."""
        return f"{self.word(1)} {self.word(self.rng.choice((1, 2)))}"

    def _raw(self, syllables: int) -> str:
        return (self._start(syllables) + self.rng.choice(ENDINGS)).capitalize()

    def _start(self, syllables: int) -> str:
        return "".join(self.rng.choice(ONSETS) + self.rng.choice(VOWELS) for _ in range(syllables))

    def _draw(self, make) -> str:
        while True:
            name = make()
            if len(name) > 2 and split_of(name) is self.split:
                return name
