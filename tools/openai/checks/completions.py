"""Texts written on: shape, usage, ids as prompt, stop, choices, several prompts."""
import openai

from checking import Server, check, chosen, equal, expect, text_of, whole_error, words_inside


@check("completions", "an answer has OpenAI's shape, and usage adds up")
def shape(server: Server) -> None:
    answer = server.complete(server.beginning)
    choice = chosen(answer)
    equal("object", answer.object, "text_completion")
    equal("index", choice.index, 0)
    expect(choice.text, "the text is empty")
    expect(choice.finish_reason in ("stop", "length"), f"finish_reason is {choice.finish_reason!r}")
    equal("logprobs, unasked", choice.logprobs, None)
    equal("total", answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
    equal("the same again", text_of(server.complete(server.beginning)), choice.text)
    expect(answer.id.startswith("cmpl-"), f"id is {answer.id!r}")


@check("completions", "max_tokens: cut there, finish_reason length")
def lengths(server: Server) -> None:
    full = text_of(server.complete(server.beginning))
    for limit in (1, 3):
        answer = server.complete(server.beginning, max_tokens=limit)
        equal(f"max_tokens={limit}: finish_reason", chosen(answer).finish_reason, "length")
        equal(f"max_tokens={limit}: completion_tokens", answer.usage.completion_tokens, limit)
        expect(full.startswith(text_of(answer).rstrip("\ufffd")), f"{text_of(answer)!r} does not begin {full!r}")


@check("completions", "token ids as prompt")
def ids(server: Server) -> None:
    prompt = [7, 300, 301, 9, 42]
    answer = server.complete(prompt)
    equal("prompt_tokens", answer.usage.prompt_tokens, len(prompt))
    equal("the same again", text_of(server.complete(prompt)), text_of(answer))
    equal("prompt_tokens of one id", server.complete([7], max_tokens=2).usage.prompt_tokens, 1)


@check("completions", "an id that the vocabulary does not have: 400")
def no_such_id(server: Server) -> None:
    got = server.post("completions", {"model": server.model, "prompt": [7, 2_000_000_000], "max_tokens": 2})
    equal("status", got.status_code, 400)
    expect((param := whole_error("id", got)["param"] or "").startswith("prompt"), f"param is {param!r}")


@check("completions", "stop: cut before it, finish_reason stop")
def stop(server: Server) -> None:
    full = text_of(server.complete(server.beginning))
    across = words_inside(full)
    answer = server.complete(server.beginning, stop=["no such text", across])
    equal("text", text_of(answer), full[: full.find(across)])
    equal("finish_reason", chosen(answer).finish_reason, "stop")


@check("completions", "n choices, with indices")
def choices(server: Server) -> None:
    drawn = server.complete(server.beginning, n=3, temperature=1.0, seed=5)
    equal("indices", sorted(c.index for c in drawn.choices), [0, 1, 2])
    expect(len({c.text for c in drawn.choices}) > 1, "3 choices at temperature 1 are all the same")


@check("completions", "several prompts: answered in order, or refused as prompt")
def several(server: Server) -> str | None:
    prompts = [server.beginning, "Hello"]
    try:
        answer = server.complete(prompts, max_tokens=8)
    except openai.BadRequestError as error:
        equal("param", error.param, "prompt")
        return f"refused: {error.message}"
    equal("indices", [c.index for c in answer.choices], [0, 1])
    for prompt, choice in zip(prompts, answer.choices):
        equal(f"prompt {prompt!r}", choice.text, text_of(server.complete(prompt, max_tokens=8)))
    return None
