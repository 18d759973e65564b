"""Examples and evaluation set: what is committed is what the generator makes, and every answer stands where it says."""

import json
import re
from pathlib import Path

import pytest

from language.names import Split, split_of
from make_examples import bulletins, inbox
from make_ideal import write as write_ideal

ROOT = Path(__file__).parents[4]


def test_the_committed_evaluation_set_is_what_the_generator_makes(tmp_path):
    bulletins(tmp_path / "made.json")
    assert (tmp_path / "made.json").read_text() == (ROOT / "eval" / "bulletins-200.json").read_text()


def test_the_committed_ideal_texts_are_those_of_the_committed_documents(tmp_path):
    write_ideal(ROOT / "eval" / "bulletins-200.json", tmp_path / "made.json")
    assert (tmp_path / "made.json").read_text() == (ROOT / "eval" / "ideal-60.json").read_text()


def test_the_committed_examples_are_what_the_generator_makes(tmp_path):
    pytest.importorskip("fpdf")
    pytest.importorskip("docx")
    inbox(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in (ROOT / "examples" / "inbox").iterdir()}
    assert made.keys() == kept.keys()
    assert [name for name in made if made[name] != kept[name]] == []


def test_every_answer_stands_where_the_evaluation_set_says():
    data = json.loads((ROOT / "eval" / "bulletins-200.json").read_text())["data"]
    assert len(data) == 200
    for article in data:
        paragraph = article["paragraphs"][0]
        for qa in paragraph["qas"]:
            for answer in qa["answers"]:
                assert paragraph["context"][answer["answer_start"]:].startswith(answer["text"])
        by_fact = {}
        for qa in paragraph["qas"]:
            by_fact.setdefault(qa["fact"], {})[qa["role"]] = qa["question"]
        for roles in by_fact.values():
            assert roles.keys() == {"select", "gate", "retain"} and len(set(roles.values())) == 3


def test_the_inbox_has_twelve_new_documents_a_known_one_and_answers_that_they_hold():
    folder = ROOT / "examples" / "inbox"
    documents = [path for path in folder.iterdir() if not path.name.endswith(".probes.jsonl")]
    assert len(documents) == 13 and {path.suffix for path in documents} == {".md", ".txt", ".html", ".pdf", ".docx"}
    for sidecar in folder.glob("*.probes.jsonl"):
        name = sidecar.name.removesuffix(".probes.jsonl")
        (document,) = [path for path in documents if path.stem == name]
        probes = [json.loads(line) for line in sidecar.read_text().splitlines()]
        assert len(probes) >= 18
        if document.suffix in (".md", ".txt", ".html"):
            assert all(probe["answer"] in document.read_text() for probe in probes)


def test_titles_belong_to_the_held_out_world():
    data = json.loads((ROOT / "eval" / "bulletins-200.json").read_text())["data"]
    for article in data:
        words = re.findall(r"[A-Za-z]+", article["title"])
        assert any(split_of(word) is Split.HELD_OUT for word in words), article["title"]
