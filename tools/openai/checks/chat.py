"""Chat answers that come in one piece: shape, usage, length, stop, choices, what clients send besides."""
import time

from checking import Server, check, chosen, equal, expect, text_of, words_inside


@check("chat", "an answer has OpenAI's shape")
def shape(server: Server) -> None:
    answer = server.chat(server.question)
    choice = chosen(answer)
    expect(answer.id.startswith("chatcmpl-"), f"id is {answer.id!r}")
    equal("object", answer.object, "chat.completion")
    expect(abs(answer.created - time.time()) < 300, f"created is {answer.created}, now is {time.time():.0f}")
    equal("index", choice.index, 0)
    equal("role", choice.message.role, "assistant")
    expect(choice.message.content, "the content is empty")
    expect(choice.finish_reason in ("stop", "length"), f"finish_reason is {choice.finish_reason!r}")
    equal("tool_calls", choice.message.tool_calls, None)
    equal("logprobs, unasked", choice.logprobs, None)
    expect(server.chat(server.question).id != answer.id, "two answers have the same id")


@check("chat", "usage adds up")
def usage(server: Server) -> None:
    short, longer = server.chat("Hello").usage, server.chat("Hello. " * 20).usage
    for used in (short, longer):
        equal("total", used.total_tokens, used.prompt_tokens + used.completion_tokens)
        expect(used.prompt_tokens > 0 and 0 <= used.completion_tokens <= 48, f"usage is {used}")
    expect(longer.prompt_tokens >= short.prompt_tokens + 19, f"20 times the prompt: {short.prompt_tokens} and {longer.prompt_tokens}")


@check("chat", "the same question, the same answer at temperature 0")
def steady(server: Server) -> None:
    equal("second answer", text_of(server.chat(server.question)), text_of(server.chat(server.question)))


@check("chat", "max_tokens and max_completion_tokens: cut there, finish_reason length")
def lengths(server: Server) -> None:
    full = text_of(server.chat(server.question))
    for name in ("max_tokens", "max_completion_tokens"):
        for limit in (1, 3):
            answer = server.chat(server.question, **{name: limit})
            equal(f"{name}={limit}: finish_reason", chosen(answer).finish_reason, "length")
            equal(f"{name}={limit}: completion_tokens", answer.usage.completion_tokens, limit)
            expect(full.startswith(text_of(answer).rstrip("\ufffd")), f"{name}={limit}: {text_of(answer)!r} does not begin {full!r}")


@check("chat", "stop: cut before the first of them, finish_reason stop")
def stop(server: Server) -> None:
    full = text_of(server.chat(server.question))
    across = words_inside(full)
    for stops in (across, [across], ["no such text", across], [across, full[-3:], "\u2603", "never"], full[0]):
        answer = server.chat(server.question, stop=stops)
        first = min(full.find(s) for s in ([stops] if isinstance(stops, str) else stops) if s in full)
        equal(f"stop={stops!r}", text_of(answer), full[:first])
        equal(f"stop={stops!r}: finish_reason", chosen(answer).finish_reason, "stop")
    equal("stop that does not occur", text_of(server.chat(server.question, stop=["\u2603"])), full)


@check("chat", "n choices, with indices")
def choices(server: Server) -> None:
    alike = server.chat(server.question, n=2)
    equal("indices", sorted(c.index for c in alike.choices), [0, 1])
    one = server.chat(server.question)
    for choice in alike.choices:
        equal(f"choice {choice.index} at temperature 0", choice.message.content, text_of(one))
    equal("prompt_tokens, of one prompt", alike.usage.prompt_tokens, one.usage.prompt_tokens)
    equal("completion_tokens, of all", alike.usage.completion_tokens, 2 * one.usage.completion_tokens)
    drawn = server.chat(server.question, n=4, temperature=1.5, seed=1)
    equal("indices of 4", sorted(c.index for c in drawn.choices), [0, 1, 2, 3])
    expect(len({c.message.content for c in drawn.choices}) > 1, "4 choices at temperature 1.5 are all the same")


@check("chat", "system messages, turns, content in parts")
def messages(server: Server) -> None:
    question = [{"role": "user", "content": server.question}]
    parts = [{"role": "user", "content": [{"type": "text", "text": server.question}]}]
    equal("content in parts", text_of(server.chat(parts)), text_of(server.chat(question)))
    turns = [{"role": "system", "content": "You answer in one word."}, *question,
             {"role": "assistant", "content": "Much."}, {"role": "user", "content": "What else?"}]
    more = server.chat(turns, max_tokens=8)
    expect(more.usage.prompt_tokens > server.chat(question, max_tokens=8).usage.prompt_tokens, "earlier turns are not in the prompt")
    expect(text_of(more) is not None, "no text")


@check("chat", "what clients send without meaning anything by it changes nothing")
def neutral(server: Server) -> None:
    plain = text_of(server.chat(server.question))
    sent = {"n": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False, "stream": False, "stop": None,
            "seed": None, "user": "someone", "response_format": {"type": "text"}}
    for name, value in sent.items():
        got = server.post("chat/completions", {"model": server.model, "messages": [{"role": "user", "content": server.question}],
                                               "temperature": 0, "max_tokens": 48, name: value})
        expect(got.status_code == 200, f"{name}={value!r}: {got.status_code} {got.text[:200]}")
        equal(f"{name}={value!r}", got.json()["choices"][0]["message"]["content"], plain)
