"""What every check needs: the server under test with its clients, the list of checks, and the words for what went wrong."""
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import httpx2
import openai

# Questions for a model of which nothing is known; the one with the longest answer is used where length matters.
QUESTIONS = ["What can you do?", "Write a list of five rivers.", "Tell me a story about a bridge and a ferry.",
             "Who is the mayor of Drelpolford?", "Explain how bread is made, step by step."]
BEGINNINGS = ["The", "Once upon a time there was", "The bridge over the river was built", "In the harbour"]


class Failed(Exception):
    """A check found the server wrong; the text says how."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One named check; `needs` is `tcp` or `socket` where only one of the two ways in can show it."""

    group: str
    name: str
    run: Callable[["Server"], str | None]
    needs: str | None


CHECKS: list[Check] = []


def check(group: str, name: str, needs: str | None = None):
    """Enters a function into the list. It returns None or a note, and raises `Failed` or whatever the client raised."""
    def enter(function):
        CHECKS.append(Check(group, name, function, needs))
        return function
    return enter


def expect(condition: Any, why: str) -> None:
    """Fails the check unless the condition holds."""
    if not condition:
        raise Failed(why)


def equal(what: str, got: Any, want: Any) -> None:
    """Fails the check unless both are the same; shows the two from where they part."""
    if got == want:
        return
    if isinstance(got, str) and isinstance(want, str):
        at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        got, want = f"{'..' * (at > 20)}{got[max(0, at - 20):at + 40]}", f"{'..' * (at > 20)}{want[max(0, at - 20):at + 40]}"
    raise Failed(f"{what}: {got!r}, expected {want!r}")


@dataclasses.dataclass(frozen=True)
class Long:
    """A request to /v1/completions whose answer does not end by itself: prompt, seed, its tokens and the text."""

    body: dict[str, Any]
    tokens: int


class Server:
    """The server under test: the `openai` client and a raw HTTP client, over TCP where there is a URL, else the socket."""

    def __init__(self, url: str | None, token: str | None, socket: pathlib.Path | None, model: str, long: int, flood: int):
        self.url, self.token, self.socket, self.model, self.flood = url, token, socket, model, flood
        self.long_tokens = long
        self.root = url.rstrip("/").removesuffix("/v1") if url else "http://localhost"
        self.http = self.raw_client()
        self.client = self.openai_client()

    def transport(self, asynchronous: bool = False):
        """Over the socket where there is no URL, else httpx2's own choice (None)."""
        kind = httpx2.AsyncHTTPTransport if asynchronous else httpx2.HTTPTransport
        return None if self.url else kind(uds=str(self.socket))

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def raw_client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.root, headers=self.headers(), transport=self.transport(), timeout=300.0)

    def raw_async_client(self) -> httpx2.AsyncClient:
        """A client with as many connections as it likes."""
        return httpx2.AsyncClient(base_url=self.root, headers=self.headers(), transport=self.transport(True), timeout=300.0,
                                  limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0))

    def openai_client(self, token: str | None = None, over_socket: bool = False) -> openai.OpenAI:
        """The real client, retries off, so that the first answer is the one that is judged."""
        http, base = httpx2.Client(transport=self.transport(), timeout=300.0), f"{self.root}/v1"
        if over_socket:
            http, base = httpx2.Client(transport=httpx2.HTTPTransport(uds=str(self.socket)), timeout=300.0), "http://localhost/v1"
        return openai.OpenAI(base_url=base, api_key=token or self.token or "none", http_client=http, max_retries=0)

    def chat(self, question: str | list[dict[str, Any]], **options: Any):
        """A chat answer; at temperature 0 with 48 tokens where nothing else is said."""
        messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
        asked = {"model": self.model, "temperature": 0, "max_tokens": 48} | options
        if "max_completion_tokens" in options:
            del asked["max_tokens"]
        return self.client.chat.completions.create(messages=messages, **asked)

    def complete(self, prompt: Any, **options: Any):
        """A text written on; at temperature 0 with 48 tokens where nothing else is said."""
        return self.client.completions.create(prompt=prompt, **({"model": self.model, "temperature": 0, "max_tokens": 48} | options))

    def post(self, path: str, body: Any, **options: Any) -> httpx2.Response:
        """A request as it stands, `body` as JSON."""
        return self.http.post(f"/v1/{path}", json=body, **options)

    @functools.cached_property
    def question(self) -> str:
        """The question with the longest answer at temperature 0."""
        return max(QUESTIONS, key=lambda q: len(self.chat(q).choices[0].message.content or ""))

    @functools.cached_property
    def beginning(self) -> str:
        """The beginning of a text that goes on longest at temperature 0."""
        return max(BEGINNINGS, key=lambda b: len(self.complete(b).choices[0].text))

    @functools.cached_property
    def long(self) -> Long:
        """A request that writes `--long` tokens, or the longest that was found."""
        best = None
        for seed in range(1, 9):
            for beginning in BEGINNINGS:
                body = {"model": self.model, "prompt": beginning, "seed": seed, "temperature": 1.0, "max_tokens": self.long_tokens}
                tokens = self.client.completions.create(**body).usage.completion_tokens
                if best is None or tokens > best.tokens:
                    best = Long(body, tokens)
                if tokens >= self.long_tokens:
                    return best
        return best


def chosen(answer: Any) -> Any:
    """The only choice of an answer."""
    equal("number of choices", len(answer.choices), 1)
    return answer.choices[0]


def text_of(answer: Any) -> str:
    """The text of the only choice, of either kind of answer."""
    choice = chosen(answer)
    text = choice.message.content if hasattr(choice, "message") else choice.text
    expect(isinstance(text, str), f"the text is {text!r}")
    return text


def whole_error(what: str, got: httpx2.Response) -> dict[str, Any]:
    """The error of an answer, which must have OpenAI's four fields and be JSON."""
    kind = got.headers.get("content-type", "")
    expect(kind.startswith("application/json"), f"{what}: content-type is {kind!r}")
    body = got.json()
    expect(isinstance(body.get("error"), dict), f"{what}: no error object: {got.text[:200]}")
    error = body["error"]
    equal(f"{what}: fields", {"message", "type", "param", "code"} - set(error), set())
    expect(isinstance(error["message"], str) and len(error["message"]) > 8, f"{what}: message is {error['message']!r}")
    expect(isinstance(error["type"], str) and error["type"], f"{what}: type is {error['type']!r}")
    return error


def words_inside(text: str) -> str:
    """A piece from the middle of a text that reaches over a space, so that it is more than one token."""
    places = [i for i in range(3, len(text) - 3) if text[i] == " " and " " not in text[i - 2 : i] + text[i + 1 : i + 3]]
    expect(places, f"the model's answers are too short to test with: {text!r}")
    middle = min(places, key=lambda i: abs(i - len(text) // 2))
    return text[middle - 2 : middle + 3]


def different(texts: Iterable[str]) -> int:
    return len(set(texts))
