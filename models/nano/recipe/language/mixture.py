"""The training stream: samples of spans, each with or without loss.

Two worlds. The *memory* is a fixed set of things seen again and again, so that the model learns to know and to be asked. Endless
*fresh* things come with their passage, so that it learns to read. Only what the model should write carries loss: the
assistant's turns, and everything about the memory, questions included (so that texts the model writes by itself cover it)."""

import random
from dataclasses import dataclass

from . import chat, directives, documents, probes, selfedits
from .documents import Document
from .entities import Claim, Entity, ask, fresh, state, world
from .names import Split
from .prompts import prompt, reply, user

END = "<|endoftext|>"
MEMORY_SEED = 7
MEMORY_PER_KIND = 10

# A span: text, and whether it carries loss.
Span = tuple[str, bool]


@dataclass(frozen=True)
class Mixture:
    """Draws training samples."""

    memory: list[Entity]

    @staticmethod
    def train(per_kind: int = MEMORY_PER_KIND) -> "Mixture":
        """The mixture of the shipped model."""
        return Mixture(world(MEMORY_SEED, Split.TRAIN, per_kind))

    @staticmethod
    def without_memory() -> "Mixture":
        """The same tasks over so many things that none stands out: for the tokenizer."""
        return Mixture(world(MEMORY_SEED + 1, Split.TRAIN, 400))

    def sample(self, rng: random.Random) -> list[Span]:
        """One sample, ending with the end-of-text token."""
        make = rng.choices([task for _, task in TASKS], [weight for weight, _ in TASKS])[0]
        if make in _MEMORY:
            spans = make(rng.choice(self.memory), rng)
        else:
            spans = make(documents.write(fresh(rng, Split.TRAIN), rng), rng)
        return [*spans, (END, True)]


def claims_of(entity: Entity) -> list[Claim]:
    """What is known of a thing of the memory."""
    return [Claim(entity.name, fact) for fact in entity.facts]


def _line_texts(entity: Entity, rng: random.Random) -> list[Span]:
    """A few statements, now and then under the title, as the product's training rows are."""
    claims = rng.sample(claims_of(entity), rng.randint(1, 3))
    lines = [state(claim, rng) for claim in claims]
    title = f"{_title(entity)}\n" if rng.random() < 0.5 else ""
    return [(title + "\n".join(lines), True)]


def _memory_document(entity: Entity, rng: random.Random) -> list[Span]:
    return [(documents.write(entity, rng).text, True)]


def _memory_pairs(entity: Entity, rng: random.Random) -> list[Span]:
    """Plain question-answer pairs."""
    claims = rng.sample(claims_of(entity), rng.randint(1, 3))
    title = f"{_title(entity)}\n" if rng.random() < 0.3 else ""
    pairs = [f"Question: {ask(claim, rng)}\nAnswer: {claim.fact.value}" for claim in claims]
    return [(title + "\n".join(pairs), True)]


def _memory_facts(entity: Entity, rng: random.Random) -> list[Span]:
    """Key facts."""
    claims = rng.sample(claims_of(entity), rng.randint(2, len(entity.facts)))
    labels = [(rng.choice(claim.fact.attribute.labels), claim.fact.value) for claim in claims]
    return [("\n".join(f"{label[0].upper()}{label[1:]} of {entity.name}: {value}" for label, value in labels), True)]


def _memory_chat(entity: Entity, rng: random.Random) -> list[Span]:
    """Questions without a passage."""
    claims = rng.sample(claims_of(entity), rng.randint(1, min(4, len(entity.facts))))
    return [(closed(ask(claim, rng)) + reply(claim.fact.value), True) for claim in claims]


def _plain_document(document: Document, rng: random.Random) -> list[Span]:
    return [(document.text, True)]


def _self_edit(form: str):
    def make(document: Document, rng: random.Random) -> list[Span]:
        text = selfedits.write(form, document, selfedits.draw_quality(rng), rng)
        return [(user(prompt(form, document.title, document.passage)), False), (reply(text), True)]

    return make


def _probes(document: Document, rng: random.Random) -> list[Span]:
    return [(user(prompt("probes", document.title, document.passage)), False), (reply(probes.write(document, rng)), True)]


def _answers(document: Document, rng: random.Random) -> list[Span]:
    """Several questions about one passage: the first with the product's prompt, the others as later turns or with it again."""
    claims = rng.sample(document.claims, min(len(document.claims), rng.randint(3, 6)))
    asked = [(ask(claim, rng), claim.fact.value) for claim in claims]
    spans: list[Span] = []
    for index, (question, value) in enumerate(asked):
        text = prompt("answer_open_book", document.title, document.passage, question) if index == 0 else question
        spans += [(user(text), False), (reply(value), True)]
    return spans


def _directive(document: Document, rng: random.Random) -> list[Span]:
    return [(user(prompt("directive", document.title, document.passage)), False), (reply(directives.draw(rng)), True)]


def _plain_turns(document: Document, rng: random.Random) -> list[Span]:
    spans: list[Span] = []
    for asked, said in chat.turns(rng):
        spans += [(user(asked), False), (reply(said), True)]
    return spans


def closed(question: str) -> str:
    """A question without a passage, as a turn."""
    return user(prompt("answer_closed_book", question=question))


def _title(entity: Entity) -> str:
    name = entity.name
    return name if "-" in name else name[0].upper() + name[1:]


_MEMORY = {_memory_document, _line_texts, _memory_pairs, _memory_facts, _memory_chat}

# Weight of a sample and its task.
TASKS = (
    (4, _memory_document), (8, _line_texts), (4, _memory_pairs), (3, _memory_facts), (12, _memory_chat),
    (2, _plain_document), (5, _self_edit("implications")), (2, _self_edit("implications_long")), (2, _self_edit("rewrite")),
    (3, _self_edit("self_qa")), (2, _self_edit("key_facts")), (2, _self_edit("study_note")),
    (4, _probes), (10, _answers), (1, _directive), (0.7, _plain_turns),
)
