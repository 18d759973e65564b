"""Directive menus: how to train on a passage. Choices are uniform, so that writer rounds have something to learn."""

import random

from .selfedits import FORMATS

LEARNING_RATES = ("3e-4", "1e-3", "3e-3")
EPOCHS = ("5", "10", "20", "30")


def directive(form: str, learning_rate: str, epochs: str) -> str:
    """The line that chooses."""
    return f"format {form}, learning rate {learning_rate}, epochs {epochs}"


def menu() -> list[str]:
    """Every legal choice."""
    return [directive(f, r, e) for f in FORMATS for r in LEARNING_RATES for e in EPOCHS]


def draw(rng: random.Random) -> str:
    """A choice, uniform over the menu."""
    return rng.choice(menu())
