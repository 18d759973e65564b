"""The tables speak of every attribute in many ways, and keep what is held out apart from what is shown."""

import re
from collections import defaultdict

import pytest

from language.kinds import Wording, kinds, labelled

LEAST = 7
ATTRIBUTES = [pytest.param(kind, attribute, id=f"{kind.noun}-{attribute.label}") for kind in kinds().values() for attribute in kind.attributes]

# Words that say nothing of an attribute.
STOP = set("a an the of in on at to for from by with as and is are was were do does did have has it that which who whom what when where how".split())


def sides(wordings) -> list[tuple[str, str]]:
    """Statements and questions of wordings in lower case, each with the side it stands on."""
    pairs = [(side, getattr(one, side).lower()) for one in wordings for side in ("statement", "question")]
    return [(side, text) for side, text in pairs if text]


def content(wordings: tuple[Wording, ...]) -> set[str]:
    """What words, bar the empty ones, stand in the statements and questions."""
    text = " ".join(text for _, text in sides(wordings))
    return set(re.findall(r"[a-z]+", re.sub(r"\{.\}", " ", text))) - STOP


def instances(text: str) -> re.Pattern[str]:
    """Matches a wording and whatever it becomes when its thing has a longer name."""
    return re.compile(re.escape(text).replace(re.escape("{n}"), ".+"))


@pytest.mark.parametrize(("kind", "attribute"), ATTRIBUTES)
def test_every_attribute_is_shown_in_many_wordings(kind, attribute):
    assert len({one.statement for one in attribute.wordings}) >= LEAST
    assert len({one.question for one in attribute.wordings}) >= LEAST


@pytest.mark.parametrize(("kind", "attribute"), ATTRIBUTES)
def test_some_shown_statements_begin_with_the_thing_and_some_name_the_value_first(kind, attribute):
    """Taking up by a pronoun needs the first; of held-out statements, most name the value first."""
    texts = [one.statement for one in attribute.wordings]
    assert sum(text.startswith("{n}") for text in texts) >= 2
    assert sum(text.index("{v}") < text.index("{n}") for text in texts) >= 2


@pytest.mark.parametrize(("kind", "attribute"), ATTRIBUTES)
def test_held_out_wordings_use_the_words_of_shown_ones_of_the_same_attribute(kind, attribute):
    assert content(attribute.held_out) - content(attribute.wordings) == set()


def test_no_shown_wording_is_a_held_out_one_of_any_kind():
    attributes = [attribute for kind in kinds().values() for attribute in kind.attributes]
    shown = defaultdict(set)
    for attribute in attributes:
        for side, text in sides((*attribute.wordings, *labelled(attribute))):
            shown[side].add(text)
    for attribute in attributes:
        for side, text in sides((*attribute.held_out, *labelled(attribute, held_out=True))):
            pattern = instances(text)
            assert [one for one in shown[side] if pattern.fullmatch(one)] == [], text


@pytest.mark.parametrize("noun", sorted(kinds()))
def test_no_wording_belongs_to_two_attributes_of_a_kind(noun):
    belongs = {}
    for attribute in kinds()[noun].attributes:
        for wording in sides((*attribute.wordings, *attribute.held_out, *labelled(attribute), *labelled(attribute, held_out=True))):
            assert belongs.setdefault(wording, attribute.label) == attribute.label, wording
