"""Streaming: through the client, and byte for byte through curl on both ways in."""
import json
import subprocess
import time
from typing import Any

from checking import Failed, Server, check, chosen, equal, expect, text_of, whole_error, words_inside


def chat_chunks(server: Server, **options: Any) -> list:
    return list(server.chat(server.question, stream=True, **options))


@check("streams", "chat: the pieces are the whole answer; one role, one finish_reason, one id")
def chat(server: Server) -> str:
    whole, chunks = server.chat(server.question), chat_chunks(server)
    equal("text", "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices), text_of(whole))
    equal("ids", len({c.id for c in chunks}), 1)
    expect(chunks[0].id.startswith("chatcmpl-"), f"id is {chunks[0].id!r}")
    equal("objects", {c.object for c in chunks}, {"chat.completion.chunk"})
    equal("created", len({c.created for c in chunks}), 1)
    equal("first role", chunks[0].choices[0].delta.role, "assistant")
    equal("roles", [c.choices[0].delta.role for c in chunks if c.choices and c.choices[0].delta.role], ["assistant"])
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices]
    equal("finish_reasons before the last", [r for r in reasons[:-1] if r], [])
    equal("finish_reason", reasons[-1], chosen(whole).finish_reason)
    expect(all(c.usage is None for c in chunks), "usage, though none was asked for")
    expect(sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) > 1, "all text came in one piece")
    return f"{len(chunks)} chunks"


@check("streams", "completions: the pieces are the whole answer; one finish_reason, one id")
def completions(server: Server) -> None:
    whole, chunks = server.complete(server.beginning), list(server.complete(server.beginning, stream=True))
    equal("text", "".join(c.text for chunk in chunks for c in chunk.choices), text_of(whole))
    equal("ids", len({c.id for c in chunks}), 1)
    equal("objects", {c.object for c in chunks}, {"text_completion"})
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices]
    equal("finish_reasons before the last", [r for r in reasons[:-1] if r], [])
    equal("finish_reason", reasons[-1], chosen(whole).finish_reason)


@check("streams", "include_usage: at the end, without choices, as in the whole answer")
def usage(server: Server) -> None:
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    pairs = [(server.chat(server.question).usage, list(server.chat(server.question, **asked))),
             (server.complete(server.beginning).usage, list(server.complete(server.beginning, **asked)))]
    for want, chunks in pairs:
        equal("choices of the last", chunks[-1].choices, [])
        got = chunks[-1].usage
        expect(got is not None, "no usage in the last")
        equal("usage", (got.prompt_tokens, got.completion_tokens, got.total_tokens),
              (want.prompt_tokens, want.completion_tokens, want.total_tokens))
        expect(all(c.usage is None for c in chunks[:-1]), "usage before the last")


@check("streams", "stop: nothing of the stop text gets out")
def stop(server: Server) -> None:
    full = text_of(server.chat(server.question))
    across = words_inside(full)
    chunks = chat_chunks(server, stop=[across])
    equal("text", "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices), full[: full.find(across)])
    equal("finish_reason", [c.choices[0].finish_reason for c in chunks if c.choices][-1], "stop")


@check("streams", "n choices: each index is the choice of the whole answer")
def choices(server: Server) -> None:
    asked = {"n": 3, "temperature": 1, "seed": 4}
    whole, texts, ends = server.chat(server.question, **asked), {}, {}
    for chunk in server.chat(server.question, stream=True, **asked):
        for c in chunk.choices:
            expect(c.index not in ends, f"choice {c.index} goes on behind its finish_reason")
            texts[c.index] = texts.get(c.index, "") + (c.delta.content or "")
            if c.finish_reason:
                ends[c.index] = c.finish_reason
    equal("texts", texts, {c.index: c.message.content for c in whole.choices})
    equal("finish_reasons", ends, {c.index: c.finish_reason for c in whole.choices})


def curl(server: Server, over_socket: bool, body: dict[str, Any], path: str) -> tuple[dict[str, str], list[tuple[float, str]]]:
    """What `curl -N` prints: the head's fields and the lines of the body with the seconds at which they came."""
    where = ["--unix-socket", str(server.socket), f"http://localhost/v1/{path}"] if over_socket else [f"{server.root}/v1/{path}"]
    # The token goes through stdin, so that it stands in no list of processes.
    secret = f'header = "Authorization: Bearer {server.token}"\n' if server.token and not over_socket else ""
    command = ["curl", "-sS", "-N", "-i", "--max-time", "120", "-K", "-", "-H", "Content-Type: application/json",
               "--data-binary", json.dumps(body), *where]
    begin, lines = time.monotonic(), []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as process:
        process.stdin.write(secret.encode())
        process.stdin.close()
        for line in process.stdout:
            lines.append((time.monotonic() - begin, line.decode("utf-8").rstrip("\n")))
    equal("curl's exit code", (process.returncode, "" if process.returncode == 0 else lines), (0, ""))
    blank = next(i for i, (_, line) in enumerate(lines) if line.rstrip("\r") == "")
    head = {"status": lines[0][1].split()[1]}
    head |= {k.lower(): v.strip() for k, _, v in (line.partition(":") for _, line in lines[1:blank])}
    return head, lines[blank + 1 :]


def raw_stream(server: Server, over_socket: bool) -> str:
    """Server-sent events as OpenAI writes them, and as they are written, not at the end."""
    whole = text_of(server.chat(server.question))
    messages = [{"role": "user", "content": server.question}]
    head, lines = curl(server, over_socket, {"model": server.model, "messages": messages, "temperature": 0, "max_tokens": 48,
                                             "stream": True}, "chat/completions")
    equal("status", head["status"], "200")
    expect(head["content-type"].startswith("text/event-stream"), f"content-type is {head['content-type']}")
    data = [line.rstrip("\r") for _, line in lines]
    expect(all(line == "" or line.startswith(("data: ", ":")) for line in data), f"lines other than data: {data[:6]}")
    events = [i for i, line in enumerate(data) if line.startswith("data: ")]
    expect(all(i + 1 < len(data) and data[i + 1] == "" for i in events), "an event does not end with an empty line")
    equal("last event", data[events[-1]], "data: [DONE]")
    chunks = [json.loads(data[i].removeprefix("data: ")) for i in events[:-1]]
    equal("text", "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"]), whole)

    # A busy machine may keep curl waiting, and all comes at once; a server that holds back does so each time.
    for _ in range(5):
        _, lines = curl(server, over_socket, server.long.body | {"n": 4, "stream": True}, "completions")
        times = [at for at, line in lines if line.startswith("data: {")]
        seen = f"first piece after {times[0]:.2f} s, last after {times[-1]:.2f} s"
        if times[0] < 0.5 * times[-1]:
            return seen
    raise Failed(f"five times nearly all came at the end; at last: {seen}")


@check("streams", "curl -N over TCP: events as OpenAI writes them, [DONE], as they are written", needs="tcp")
def curl_tcp(server: Server) -> str:
    return raw_stream(server, over_socket=False)


@check("streams", "curl -N over the socket: the same, without a token", needs="socket")
def curl_socket(server: Server) -> str:
    return raw_stream(server, over_socket=True)


@check("streams", "the client over the socket: the same answer", needs="socket")
def client_over_socket(server: Server) -> None:
    client = server.openai_client(over_socket=True)
    asked = {"model": server.model, "messages": [{"role": "user", "content": server.question}], "temperature": 0, "max_tokens": 48}
    equal("text", text_of(client.chat.completions.create(**asked)), text_of(server.chat(server.question)))
    expect(server.model in [m.id for m in client.models.list().data], "the list of models lacks it")


@check("streams", "an error is no stream: 400 in JSON, though stream was asked for")
def error_is_json(server: Server) -> None:
    body = {"model": server.model, "messages": [{"role": "user", "content": "Hello"}], "temperature": -1, "stream": True}
    got = server.post("chat/completions", body)
    equal("status", got.status_code, 400)
    expect(got.headers["content-type"].startswith("application/json"), f"content-type is {got.headers['content-type']}")
    equal("param", whole_error("stream", got)["param"], "temperature")
