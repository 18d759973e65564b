"""Says whether a text is supported by a document: every line must be one of the statements that are true of it."""

import re

from .documents import Document, kind_sentence
from .entities import Claim, Entity, questions, statements

_BREAK = re.compile(r"(?<=[.?])\s+|, and (?=(?:it|he|she) )")


def normal(text: str) -> str:
    """Lower case, no full stop at the end, single spaces."""
    return re.sub(r"\s+", " ", text).strip().rstrip(".").lower()


class Truth:
    """Everything that may be said of a document."""

    def __init__(self, document: Document):
        self.document = document
        entity = document.entity
        self.statements: set[str] = {normal(kind_sentence(entity))}
        self.answers: dict[str, str] = {}
        for claim in self._views(document):
            for held_out in (False, True):
                self.statements |= {normal(text) for text in statements(claim, held_out)}
                self.answers |= {normal(text): claim.fact.value for text in questions(claim, held_out)}
        for claim in document.direct:
            for label in claim.fact.attribute.labels:
                self.statements.add(normal(f"{label}: {claim.fact.value}"))

    @staticmethod
    def _views(document: Document) -> list[Claim]:
        """Every claim under every name its subject may bear."""
        views = list(document.claims)
        views += [Claim(subject, claim.fact) for claim in document.direct for subject in _subjects(document.entity)]
        for via, claim in document.linked:
            views += [Claim(f"the {label} of {document.entity.name}", claim.fact) for label in via.attribute.labels]
        return views

    def supports(self, line: str) -> bool:
        """Whether a line (a list item, a sentence, two joined ones) is true of the document."""
        line = line.strip().removeprefix("- ")
        if normal(line) in self.statements:
            return True
        claims = [part for part in _BREAK.split(line) if part.strip()]
        return bool(claims) and all(normal(part) in self.statements for part in claims)

    def answer(self, question: str) -> str | None:
        """The answer to a question about the document, if it is one of the language."""
        return self.answers.get(normal(question))


def _subjects(entity: Entity) -> list[str]:
    return [entity.pronoun, {"he": "him", "she": "her"}.get(entity.pronoun, "it"), entity.kind.definite, entity.taken_up]
