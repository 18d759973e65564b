"""The prompts of the product, read from `crates/learn/src/prompts/*.txt`; the Rust side includes the same files.

A file ends with one line end that is not part of the prompt. Placeholders: `{title}`, `{passage}`, `{question}`."""

from functools import cache
from pathlib import Path

PROMPTS = Path(__file__).parents[4] / "crates" / "learn" / "src" / "prompts"


@cache
def template(name: str) -> str:
    """The text of `prompts/<name>.txt`."""
    return (PROMPTS / f"{name}.txt").read_text().removesuffix("\n")


def prompt(name: str, title: str = "", passage: str = "", question: str = "") -> str:
    """A prompt with its placeholders filled, in one pass: a passage may itself hold braces."""
    out, rest = [], template(name)
    values = {"title": title, "passage": passage, "question": question}
    while "{" in rest:
        before, after = rest.split("{", 1)
        key, rest = after.split("}", 1)
        out += [before, values[key]]
    return "".join(out) + rest


def user(text: str) -> str:
    """A user's turn and the opening of the answer, in nano's chat format."""
    return f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"


def reply(text: str) -> str:
    """The rest of the assistant's turn."""
    return f"{text}<|im_end|>\n"
