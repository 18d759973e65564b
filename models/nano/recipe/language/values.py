"""Values of facts: names, numbers, dates, lists, filled into a template."""

import random
import re

from .names import Names
from .words import LISTS

_SLOT = re.compile(r"\{([^}]*)\}")


def fill(template: str, names: Names) -> str:
    """Replaces every `{slot}` of a template, see `tables/README.md`."""
    text = _SLOT.sub(lambda slot: _slot(slot[1], names), template)
    return "an" + text[1:] if text.startswith("a ") and text[2] in "aeiou" else text


def _slot(slot: str, names: Names) -> str:
    rng = names.rng
    match slot.split():
        case ["person"]:
            return names.person()
        case ["town"]:
            return names.town()
        case ["name"]:
            return names.word()
        case ["lower"]:
            return names.word(2).lower()
        case ["year"]:
            return str(rng.randint(1700, 2020))
        case ["monthday"]:
            return f"{rng.randint(1, 28)} {rng.choice(LISTS['month'])}"
        case ["date"]:
            return date(rng)
        case ["number", low, high, step]:
            return str(rng.randrange(int(low), int(high), int(step)))
        case ["list", words]:
            *first, last = rng.sample(LISTS[words], rng.choice((2, 3)))
            return f"{', '.join(first)} and {last}"
        case ["task"]:
            return f"{rng.choice(LISTS['act'])} {rng.choice(LISTS['ware'])}"
        case [words] if words in LISTS:
            return rng.choice(LISTS[words])
    raise ValueError(f"tables: {{{slot}}} is no slot; see tables/README.md")


def date(rng: random.Random) -> str:
    """Such as `12 March 1904`."""
    return f"{rng.randint(1, 28)} {rng.choice(LISTS['month'])} {rng.randint(1700, 2020)}"
