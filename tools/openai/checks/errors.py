"""Errors: OpenAI's shape, the field at fault, what is not done here and says so."""
from typing import Any

import openai

from checking import Failed, Server, check, equal, expect, whole_error

HELLO = [{"role": "user", "content": "Hello"}]


def refused(server: Server, path: str, base: dict[str, Any], param: str, value: Any) -> None:
    """A field of this value must be refused by its name."""
    what = f"{path}, {param}={value!r}"
    got = server.post(path, base | {param: value})
    equal(f"{what}: status", got.status_code, 400)
    equal(f"{what}: param", whole_error(what, got)["param"], param)


def chat_base(server: Server) -> dict[str, Any]:
    return {"model": server.model, "messages": HELLO, "max_tokens": 2}


def completion_base(server: Server) -> dict[str, Any]:
    return {"model": server.model, "prompt": "Hello", "max_tokens": 2}


@check("errors", "out of range: 400 with param (temperature -1, top_p -0.5 and 2, n 0, max_tokens -1)")
def ranges(server: Server) -> None:
    values = [("temperature", -1), ("top_p", -0.5), ("top_p", 2), ("n", 0), ("n", -1), ("max_tokens", -1)]
    for param, value in values:
        refused(server, "chat/completions", chat_base(server), param, value)
        refused(server, "completions", completion_base(server), param, value)


@check("errors", "of the wrong type: 400 with param")
def types(server: Server) -> None:
    both = [("temperature", "hot"), ("top_p", "all"), ("max_tokens", "many"), ("max_tokens", 1.5), ("n", "two"), ("stream", "yes"),
            ("stop", 7), ("seed", "x"), ("model", 7)]
    for param, value in both:
        refused(server, "chat/completions", chat_base(server), param, value)
        refused(server, "completions", completion_base(server), param, value)
    for value in ("Hello", [], [7], [{"role": "user"}], [{"role": "nobody", "content": "Hello"}]):
        got = server.post("chat/completions", chat_base(server) | {"messages": value})
        equal(f"messages={value!r}: status", got.status_code, 400)
        param = whole_error(f"messages={value!r}", got)["param"]
        expect((param or "").startswith("messages"), f"messages={value!r}: param is {param!r}")
    refused(server, "completions", completion_base(server), "prompt", {"text": "Hello"})


@check("errors", "messages or prompt left out: 400 with param")
def missing(server: Server) -> None:
    for path, param in (("chat/completions", "messages"), ("completions", "prompt")):
        got = server.post(path, {"model": server.model, "max_tokens": 2})
        equal(f"{path} without {param}: status", got.status_code, 400)
        equal(f"{path} without {param}: param", whole_error(path, got)["param"], param)


@check("errors", "a body that is no JSON: 400")
def no_json(server: Server) -> None:
    for content in (b"{not json", b"", b"[]", b'"text"'):
        got = server.http.post("/v1/chat/completions", content=content, headers={"Content-Type": "application/json"})
        equal(f"{content!r}: status", got.status_code, 400)
        whole_error(repr(content), got)


@check("errors", "tools: 400 that says so")
def tools(server: Server) -> str:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    try:
        server.chat("What is the weather?", tools=[tool])
    except openai.BadRequestError as error:
        expect("tool" in error.message.lower(), f"the message says nothing of tools: {error.message}")
        equal("param", error.param, "tools")
        return error.message
    raise Failed("answered, though tools are not done here")


@check("errors", "embeddings: a 4xx that says so")
def embeddings(server: Server) -> str:
    try:
        server.client.embeddings.create(model=server.model, input="Hello")
    except openai.APIStatusError as error:
        expect(400 <= error.status_code < 500, f"status {error.status_code}")
        expect("embedding" in error.message.lower(), f"the message says nothing of embeddings: {error.message}")
        whole_error("embeddings", error.response)
        return f"{error.status_code}: {error.message}"
    raise Failed("answered, though embeddings are not done here")


@check("errors", "a prompt longer than the context: 400, context_length_exceeded")
def too_long(server: Server) -> str:
    tries = {"chat/completions": {"messages": [{"role": "user", "content": "the harbour " * 20_000}]},
             "completions": {"prompt": [7] * 100_000}}
    for path, body in tries.items():
        got = server.post(path, {"model": server.model, "max_tokens": 2} | body)
        equal(f"{path}: status", got.status_code, 400)
        error = whole_error(path, got)
        equal(f"{path}: code", error["code"], "context_length_exceeded")
    return error["message"]


@check("errors", "a wrong token or none: 401 in OpenAI's shape", needs="tcp")
def unauthorized(server: Server) -> None:
    try:
        server.openai_client(token="wrong").models.list()
    except openai.AuthenticationError as error:
        whole_error("wrong token", error.response)
    else:
        expect(False, "a wrong token was taken")
    for headers in ({"Authorization": ""}, {"Authorization": "Basic abc"}):
        got = server.post("chat/completions", chat_base(server), headers=headers)
        equal(f"{headers}: status", got.status_code, 401)
        whole_error(str(headers), got)


@check("errors", "after all of these it answers")
def still_there(server: Server) -> None:
    expect(server.chat("Hello", max_tokens=4).choices, "no choices")
