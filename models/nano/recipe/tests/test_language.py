"""The generator keeps its promises: determinism, worlds apart, answers in the document, good self-edits supported."""

import random
import re
from collections import Counter

import pytest

from language import directives, documents, probes, selfedits
from language.check import Truth, normal
from language.entities import Claim, fresh, questions, statements, world
from language.kinds import TABLES, kinds
from language.mixture import TASKS, Mixture
from language.names import Names, Split, split_of
from language.prompts import PROMPTS, prompt, template
from language.selfedits import FORMATS, Quality


def some_documents(count=200, split=Split.TRAIN, held_out=False, seed=5):
    rng = random.Random(seed)
    return [documents.write(fresh(rng, split), rng, held_out) for _ in range(count)]


def stream(count=3000, seed=3):
    rng, mixture = random.Random(seed), Mixture.train()
    return ["".join(text for text, _ in mixture.sample(rng)) for _ in range(count)]


def test_tables_are_rich_enough():
    assert len(kinds()) >= 12
    for kind in kinds().values():
        assert len(kind.attributes) >= 8
        for attribute in kind.attributes:
            assert len(attribute.wordings) >= 3 and attribute.held_out, f"{kind.noun}: {attribute.label}"
            for wording in (*attribute.wordings, *attribute.held_out):
                assert "{n}" in wording.statement and "{v}" in wording.statement and "{n}" in wording.question
                assert wording.question.endswith("?"), wording


@pytest.mark.parametrize("noun", sorted(kinds()))
def test_no_two_attributes_of_a_kind_share_a_label_or_a_question(noun):
    attributes = kinds()[noun].attributes
    labels = Counter(label for attribute in attributes for label in attribute.labels)
    asked = Counter(one.question for attribute in attributes for one in (*attribute.wordings, *attribute.held_out))
    assert [text for text, count in (labels + asked).items() if count > 1] == []


def test_the_same_seed_gives_the_same_stream_and_another_seed_another():
    assert stream(200) == stream(200)
    assert stream(200) != stream(200, seed=4)


def test_names_of_the_two_worlds_are_disjoint():
    for split in Split:
        names = Names(random.Random(1), split)
        for name in [names.word() for _ in range(500)] + [names.town() for _ in range(500)]:
            assert split_of(name) is split
        assert all(split_of(part) is split for part in names.person().split())


def test_held_out_entities_and_their_values_never_appear_in_the_stream():
    words = set(re.findall(r"[A-Za-z]+", "\n".join(stream())))
    for document in some_documents(300, Split.HELD_OUT):
        invented = [part for part in re.findall(r"[A-Z][a-z]+", document.passage) if split_of(part) is Split.HELD_OUT and part in words]
        names = [part for part in re.findall(r"[A-Za-z]+", document.entity.name) if part in words and split_of(part) is Split.HELD_OUT]
        plain = {word for word in invented + names if word.lower() in PLAIN}
        assert set(invented + names) <= plain, (document.text, invented, names)


# Words of the language itself whose hash happens to fall into the held-out tenth.
PLAIN = {word.lower() for word in re.findall(r"[A-Za-z]+", "\n".join(path.read_text() for path in TABLES.parent.rglob("*.*") if path.suffix in (".txt", ".py")))}


def test_held_out_wordings_never_appear_in_the_stream():
    text = "\n".join(stream())
    lowered = normal(text)
    for kind in kinds().values():
        for attribute in kind.attributes:
            for wording in attribute.held_out:
                pattern = re.escape(wording.question.lower()).replace(re.escape("{n}"), r"[a-z&' -]{1,60}?")
                assert not re.search(r"(?m)(?:^|question: )" + pattern, lowered), wording
    assert "Can you name" not in text and not re.search(r"Tell me, wh", text)
    assert not re.search(r"(?m)^As [a-z ]+, .* has ", text)


def test_held_out_questions_use_only_words_that_training_shows():
    shown = set(re.findall(r"[a-z]+", "\n".join(stream(20000)).lower()))
    for kind in kinds().values():
        for attribute in kind.attributes:
            for wording in attribute.held_out:
                words = set(re.findall(r"[a-z]+", wording.question.replace("{n}", "").lower()))
                assert words <= shown, (kind.noun, attribute.label, words - shown)


@pytest.mark.parametrize("held_out", [False, True])
def test_every_answer_stands_in_the_document(held_out):
    for document in some_documents(400, held_out=held_out):
        for claim in document.claims:
            assert claim.fact.value in document.passage, (claim.fact.value, document.text)


def test_questions_of_a_document_have_one_answer_each():
    for document in some_documents(300):
        answers = {}
        for claim in document.claims:
            for text in questions(claim) + questions(claim, held_out=True):
                assert answers.setdefault(text, claim.fact.value) == claim.fact.value, text


@pytest.mark.parametrize("form", ["implications", "implications_long", "rewrite"])
def test_every_line_of_a_good_self_edit_is_supported(form):
    rng = random.Random(8)
    for document in some_documents(150):
        truth = Truth(document)
        for line in selfedits.write(form, document, Quality.GOOD, rng).splitlines():
            for part in re.split(r"(?<=\.)\s", line) if form == "rewrite" else [line]:
                assert truth.supports(part), (part, document.text)


def test_a_good_self_edit_names_every_fact_and_a_partial_one_does_not():
    rng = random.Random(8)
    for document in some_documents(60):
        for form in FORMATS:
            good = selfedits.write(form, document, Quality.GOOD, rng).lower()
            assert all(claim.fact.value.lower() in good for claim in document.direct), (form, good)
        short = selfedits.write("implications", document, Quality.PARTIAL, rng)
        assert len(short.splitlines()) <= 3


def test_unresolved_lines_have_no_name_and_vague_ones_are_not_all_supported():
    rng = random.Random(8)
    unsupported = 0
    for document in some_documents(60):
        text = selfedits.write("implications", document, Quality.UNRESOLVED, rng)
        assert document.entity.name not in "\n".join(line for line in text.splitlines())
        vague = selfedits.write("implications", document, Quality.VAGUE, rng)
        unsupported += any(not Truth(document).supports(line) for line in vague.splitlines())
    assert unsupported > 40


def test_truth_refuses_a_wrong_value_and_a_wrong_name():
    rng = random.Random(8)
    for first, second in zip(some_documents(50), some_documents(50, seed=6), strict=True):
        truth = Truth(first)
        assert not any(truth.supports(line) for line in statements(second.direct[0]))
        claim, other = first.direct[0], rng.choice(second.direct)
        wrong = [re.sub(re.escape(claim.fact.value), "Quux Nobody", text, flags=re.IGNORECASE) for text in statements(claim)]
        assert not any(truth.supports(line) for line in wrong)
        assert truth.answer(questions(Claim(first.entity.name, claim.fact))[0]) == claim.fact.value
        assert truth.answer(questions(other)[0]) is None


def test_probes_read_back_what_was_written():
    rng = random.Random(8)
    for document in some_documents(60):
        blocks = probes.read(probes.write(document, rng))
        assert 1 <= len(blocks) <= probes.MOST
        truth = Truth(document)
        for asked, answer in blocks:
            assert len(set(asked)) == 2 and all(truth.answer(text) == answer for text in asked)


def test_directives_are_uniform_over_the_menu():
    rng = random.Random(8)
    counts = Counter(directives.draw(rng) for _ in range(20000))
    assert set(counts) == set(directives.menu())
    expected = 20000 / len(directives.menu())
    assert all(abs(count - expected) < 6 * expected**0.5 for count in counts.values())


def test_prompts_have_the_placeholders_that_the_product_fills():
    names = {path.stem for path in PROMPTS.glob("*.txt")}
    assert names == {*FORMATS, "probes", "directive", "answer_open_book", "answer_closed_book"}
    for name in names:
        slots = set(re.findall(r"\{(\w+)\}", template(name)))
        assert slots == {"answer_closed_book": {"question"}, "answer_open_book": {"title", "passage", "question"}}.get(name, {"title", "passage"})
    assert prompt("rewrite", "A {passage} title", "B {x}").endswith("A {passage} title\nB {x}")


def test_the_mixture_draws_every_task_and_marks_loss():
    rng, mixture = random.Random(2), Mixture.train()
    for _ in range(500):
        spans = mixture.sample(rng)
        assert spans[-1] == ("<|endoftext|>", True) and any(carries for _, carries in spans[:-1])
        for text, carries in spans:
            if not carries:
                assert text.startswith("<|im_start|>user\n") and text.endswith("<|im_start|>assistant\n")
    assert len(TASKS) >= 16


def test_the_memory_is_closed():
    things = world(7, Split.TRAIN, 4)
    names = {thing.name for thing in things}
    assert len(names) == len(things) == 4 * len(kinds())
    assert all(fact.value in names for thing in things for fact in thing.facts if fact.refers_to)
