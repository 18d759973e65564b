"""Log probabilities, in the form of chat answers and in the older one of completions."""
import math

from checking import Server, check, chosen, equal, expect, text_of, whole_error

# How far two figures that should be one may be apart: they go through JSON as decimal numbers.
NEAR = 1e-5


def bytes_of(token) -> bytes:
    """A token's bytes; where the server gives none, its text stands for them."""
    expect(token.bytes is not None, f"{token.token!r} has no bytes")
    return bytes(token.bytes)


@check("logprobs", "chat: tokens joined are the text; k alternatives, sorted; the chosen one as in the list")
def chat_tokens(server: Server) -> str:
    for k in (1, 4, 20):
        answer = server.chat(server.question, logprobs=True, top_logprobs=k)
        tokens = chosen(answer).logprobs.content
        equal(f"k={k}: tokens joined", b"".join(map(bytes_of, tokens)).decode("utf-8", "replace"), text_of(answer))
        for i, token in enumerate(tokens):
            alternatives(f"k={k}, token {i} ({token.token!r})", token, k)
        if chosen(answer).finish_reason == "length":
            equal(f"k={k}: tokens", len(tokens), answer.usage.completion_tokens)
    return f"{len(tokens)} tokens"


def alternatives(where: str, token, k: int) -> None:
    """One token's list: k of them, likeliest first, none twice, together no more than 1; greedy took the first."""
    top = token.top_logprobs
    equal(f"{where}: alternatives", len(top), k)
    logs = [t.logprob for t in top]
    expect(logs == sorted(logs, reverse=True), f"{where}: not sorted: {logs}")
    expect(all(math.isfinite(x) and x <= NEAR for x in logs), f"{where}: not logarithms of probabilities: {logs}")
    expect(sum(map(math.exp, logs)) < 1 + 1e-3, f"{where}: probabilities add up to {sum(map(math.exp, logs))}")
    equal(f"{where}: different alternatives", len({(t.token, bytes(t.bytes or b"")) for t in top}), k)
    for t in (token, *top):
        decoded = bytes_of(t).decode("utf-8", "replace")
        expect(t.token == decoded or "\ufffd" in decoded, f"{where}: {t.token!r} has the bytes of {decoded!r}")
    expect(abs(logs[0] - token.logprob) < NEAR, f"{where}: chosen with {token.logprob}, the likeliest has {logs[0]}")
    same = [t.logprob for t in top if (t.token, t.bytes) == (token.token, token.bytes)]
    expect(same and abs(same[0] - token.logprob) < NEAR, f"{where}: chosen with {token.logprob}, in the list it has {same}")


@check("logprobs", "chat: without top_logprobs no alternatives; a drawn token has its own figure")
def drawn(server: Server) -> None:
    bare = chosen(server.chat(server.question, logprobs=True)).logprobs.content
    expect(bare, "no tokens")
    expect(all(not t.top_logprobs for t in bare), "alternatives, though none were asked for")
    listed = chosen(server.chat(server.question, logprobs=True, top_logprobs=20, temperature=1.5, seed=2)).logprobs.content
    for i, token in enumerate(listed):
        for other in token.top_logprobs:
            if (other.token, other.bytes) == (token.token, token.bytes):
                expect(abs(other.logprob - token.logprob) < NEAR, f"token {i}: {token.logprob}, in the list {other.logprob}")
    expect(any(t.logprob < t.top_logprobs[0].logprob - NEAR for t in listed), "at temperature 1.5 always the likeliest was drawn")


@check("logprobs", "chat: streamed, they are the same")
def streamed(server: Server) -> None:
    asked = {"logprobs": True, "top_logprobs": 2}
    whole = chosen(server.chat(server.question, **asked)).logprobs.content
    pieces = []
    for chunk in server.chat(server.question, stream=True, **asked):
        for choice in chunk.choices:
            pieces += (choice.logprobs.content or []) if choice.logprobs else []
    equal("tokens", [t.token for t in pieces], [t.token for t in whole])
    for i, (a, b) in enumerate(zip(pieces, whole)):
        expect(abs(a.logprob - b.logprob) < 1e-3, f"token {i} ({a.token!r}): {a.logprob} streamed, {b.logprob} whole")
        equal(f"token {i}: alternatives", [t.token for t in a.top_logprobs], [t.token for t in b.top_logprobs])


@check("logprobs", "completions: tokens joined are the text; offsets; k alternatives with the chosen one")
def older_form(server: Server) -> None:
    for k in (1, 3):
        answer = server.complete(server.beginning, logprobs=k)
        got, text = chosen(answer).logprobs, text_of(answer)
        expect(got is not None and got.tokens, "no logprobs, or without tokens")
        lengths = [len(part or []) for part in (got.tokens, got.token_logprobs, got.top_logprobs, got.text_offset)]
        equal("lengths of the four lists", lengths, [len(got.tokens)] * 4)
        if not any(t.startswith("bytes:") or "\ufffd" in t for t in got.tokens):  # parts of characters
            equal(f"k={k}: tokens joined", "".join(got.tokens), text)
            starts = [sum(map(len, got.tokens[:i])) for i in range(len(got.tokens))]
            equal(f"k={k}: offsets", got.text_offset, starts)
        for i, (token, log, top) in enumerate(zip(got.tokens, got.token_logprobs, got.top_logprobs)):
            # Parts of characters may all read the same, and a list by text has room for one of them.
            expect(k <= len(top) <= k + 1 or "\ufffd" in top, f"k={k}, token {i}: {len(top)} alternatives")
            expect(token in top, f"k={k}, token {i}: {token!r} is not in {top}")
            expect(abs(top[token] - log) < NEAR and abs(max(top.values()) - log) < NEAR, f"k={k}, token {i}: {log} and {top}")


@check("logprobs", "completions: the figures do not depend on how many alternatives are asked for")
def independent(server: Server) -> None:
    first, second = (chosen(server.complete(server.beginning, logprobs=k)).logprobs for k in (1, 3))
    expect(first and first.tokens and second and second.tokens, "no logprobs, or without tokens")
    equal("tokens", first.tokens, second.tokens)
    off = max(abs(a - b) for a, b in zip(first.token_logprobs, second.token_logprobs))
    expect(off < 1e-3, f"figures differ by {off}")


@check("logprobs", "top_logprobs of 21, or without logprobs: 400")
def refused(server: Server) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    for body in ({"logprobs": True, "top_logprobs": 21}, {"logprobs": True, "top_logprobs": -1}, {"top_logprobs": 2}):
        got = server.post("chat/completions", {"model": server.model, "messages": messages, "max_tokens": 2} | body)
        equal(f"{body}: status", got.status_code, 400)
        param = whole_error(str(body), got)["param"]
        expect(param in ("top_logprobs", "logprobs"), f"{body}: param is {param!r}")
