"""The figures of the model card, on held-out things and wordings, each with its 95 % interval.

    python evaluate.py --model FOLDER [--documents 120] [--seed 990001] [--threads 2] [--only open_book memory ...] [--json FILE]
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import torch

from generate import Writer
from grade import same, share
from language import directives, documents, probes
from language.check import Truth
from language.documents import Document
from language.entities import Claim, fresh, questions
from language.mixture import Mixture, claims_of, closed
from language.names import Split
from language.prompts import prompt, user

SEED = 990001
# Most tokens of an answer and of a self-edit.
ANSWER, EDIT = 24, 320


def held_out_documents(count: int, seed: int = SEED) -> list[Document]:
    """Documents about things that training never shows, some sentences in wordings that it never shows."""
    rng = random.Random(seed)
    return [documents.write(fresh(rng, Split.HELD_OUT), rng, held_out=True) for _ in range(count)]


def wording(claim: Claim, held_out: bool, rng: random.Random) -> str:
    """A question in a shown or a held-out wording, own and label wordings equally often."""
    texts = questions(claim, held_out)
    own = len(claim.fact.attribute.held_out if held_out else claim.fact.attribute.wordings)
    return rng.choice(texts[:own] if rng.random() < 0.5 else texts[own:])


class Evaluation:
    """One model and the documents it has never seen."""

    def __init__(self, writer: Writer, count: int, seed: int = SEED):
        self.writer, self.documents = writer, held_out_documents(count, seed)
        self.memory = Mixture.train().memory

    def open_book(self) -> dict:
        """Answers with the passage at hand: in held-out wordings, in shown ones, and over two hops."""
        rng, asked = random.Random(1), []
        for document in self.documents:
            for claim in rng.sample(document.direct, min(3, len(document.direct))):
                asked += [("held_out", document, wording(claim, True, rng), claim), ("shown", document, wording(claim, False, rng), claim)]
            asked += [("two_hop", document, wording(claim, False, rng), claim) for claim in document.two_hop[:1]]
        said = self.writer.write([user(prompt("answer_open_book", d.title, d.passage, q)) for _, d, q, _ in asked], ANSWER)
        return self._by_group([group for group, *_ in asked], said, [claim.fact.value for *_, claim in asked])

    def memory_closed(self) -> dict:
        """Answers from memory, for the things that training showed."""
        rng = random.Random(2)
        picked = rng.sample([claim for thing in self.memory for claim in claims_of(thing)], 400)
        asked = [(group, wording(claim, group == "held_out", rng), claim) for claim in picked for group in ("held_out", "shown")]
        said = self.writer.write([closed(text) for _, text, _ in asked], ANSWER)
        return self._by_group([group for group, *_ in asked], said, [claim.fact.value for *_, claim in asked])

    def unseen_closed(self) -> dict:
        """The same for things that it cannot know: every right answer is a guess."""
        rng = random.Random(3)
        asked = [(wording(claim, True, rng), claim) for document in self.documents for claim in rng.sample(document.direct, 3)]
        said = self.writer.write([closed(text) for text, _ in asked], ANSWER)
        return self._by_group(["held_out"] * len(asked), said, [claim.fact.value for _, claim in asked])

    def implications(self) -> dict:
        """Lines of implications that the passage supports, greedy and sampled at temperature 1; and how many facts they cover."""
        out = {}
        texts = [user(prompt("implications", d.title, d.passage)) for d in self.documents]
        for name, temperature in (("greedy", 0.0), ("sampled", 1.0)):
            hits, covered = [], []
            for document, text in zip(self.documents, self.writer.write(texts, EDIT, temperature, seed=4), strict=True):
                truth = Truth(document)
                hits += [truth.supports(line) for line in text.splitlines() if line.strip()]
                covered += [claim.fact.value.lower() in text.lower() for claim in document.direct]
            out[f"{name}_lines_supported"], out[f"{name}_facts_covered"] = share(hits), share(covered)
        return out

    def probes(self) -> dict:
        """Generated probes that survive the round trip: grounded, answered the same with the passage, not known without it."""
        texts = self.writer.write([user(prompt("probes", d.title, d.passage)) for d in self.documents], EDIT)
        found = [(d, q, answer) for d, text in zip(self.documents, texts, strict=True) for asked, answer in probes.read(text) for q in asked]
        again = self.writer.write([user(prompt("answer_open_book", d.title, d.passage, q)) for d, q, _ in found], ANSWER)
        known = self.writer.write([closed(q) for _, q, _ in found], ANSWER)
        grounded = [answer.lower() in d.text.lower() for d, _, answer in found]
        agreed = [same(text, answer) for text, (_, _, answer) in zip(again, found, strict=True)]
        new = [not same(text, answer) for text, (_, _, answer) in zip(known, found, strict=True)]
        truths = {id(d): Truth(d) for d in self.documents}
        true = [same(truths[id(d)].answer(q) or "", answer) for d, q, answer in found]
        return {"survive": share([all(three) for three in zip(grounded, agreed, new, strict=True)]), "agreed": share(agreed),
                "grounded": share(grounded), "right": share(true), "probes_per_document": round(len(found) / len(self.documents), 2)}

    def directive(self) -> dict:
        """How even the probabilities of the menu's choices are: entropy relative to a uniform choice, least and most likely choice."""
        document = self.documents[0]
        found = self.writer.log_prob(user(prompt("directive", document.title, document.passage)), directives.menu())
        total = sum(math.exp(one) for one in found)
        shares = [math.exp(one) / total for one in found]
        entropy = -sum(one * math.log(one) for one in shares if one > 0) / math.log(len(shares))
        return {"on_menu": round(total, 4), "relative_entropy": round(entropy, 4), "least": round(min(shares), 5), "most": round(max(shares), 5)}

    def chat(self) -> dict:
        """What it says of itself."""
        asked = ["What are you?", "What can you do?", "Hello."]
        return dict(zip(asked, self.writer.write([user(text) for text in asked], 48), strict=True))

    @staticmethod
    def _by_group(groups: list[str], said: list[str], answers: list[str]) -> dict:
        hits: dict[str, list[bool]] = {}
        for group, text, answer in zip(groups, said, answers, strict=True):
            hits.setdefault(group, []).append(same(text, answer))
        return {group: share(found) for group, found in hits.items()}


FIGURES = {"open_book": Evaluation.open_book, "memory": Evaluation.memory_closed, "unseen": Evaluation.unseen_closed,
           "implications": Evaluation.implications, "probes": Evaluation.probes, "directive": Evaluation.directive, "chat": Evaluation.chat}


def main() -> None:
    """Prints one JSON line a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=120)
    parser.add_argument("--seed", type=int, default=SEED, help="of the documents: one that nothing was picked by gives figures free of picking")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(FIGURES), default=list(FIGURES))
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    torch.set_num_threads(o.threads)
    evaluation, report = Evaluation(Writer(o.model), o.documents, o.seed), {}
    for name in o.only:
        started = time.time()
        report[name] = FIGURES[name](evaluation)
        print(json.dumps({name: report[name], "seconds": round(time.time() - started, 1)}), flush=True)
    if o.json:
        o.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
