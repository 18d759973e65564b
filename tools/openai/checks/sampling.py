"""Drawing: seeds, and the settings that leave only the likeliest token."""
from checking import Server, check, different, equal, expect, text_of

SEEDS = range(1, 9)


@check("sampling", "chat: the same seed, the same text; other seeds, other texts at temperature 1")
def chat_seeds(server: Server) -> str:
    return seeds([[text_of(server.chat(server.question, temperature=1, seed=s)) for s in SEEDS] for _ in range(2)])


@check("sampling", "completions: the same seed, the same text; other seeds, other texts at temperature 1")
def completion_seeds(server: Server) -> str:
    return seeds([[text_of(server.complete(server.beginning, temperature=1, seed=s)) for s in SEEDS] for _ in range(2)])


def seeds(rounds: list[list[str]]) -> str:
    for seed, first, second in zip(SEEDS, *rounds):
        equal(f"seed {seed} for the second time", second, first)
    expect(different(rounds[0]) > 1, f"{len(SEEDS)} seeds give one text")
    return f"{different(rounds[0])} texts of {len(SEEDS)} seeds"


@check("sampling", "without a seed, texts differ at temperature 1")
def no_seed(server: Server) -> None:
    texts = [text_of(server.complete(server.beginning, temperature=1)) for _ in range(4)]
    expect(different(texts) > 1, f"4 times {texts[0]!r}")


@check("sampling", "top_p near 0 and top_k 1 leave the likeliest token, at any temperature")
def likeliest(server: Server) -> None:
    greedy, written = text_of(server.chat(server.question)), text_of(server.complete(server.beginning))
    for temperature in (1.0, 2.0):
        for settings in ({"top_p": 1e-6}, {"extra_body": {"top_k": 1}}):
            drawn = {"temperature": temperature, "seed": 3} | settings
            equal(f"chat {drawn}", text_of(server.chat(server.question, **drawn)), greedy)
            equal(f"completions {drawn}", text_of(server.complete(server.beginning, **drawn)), written)


@check("sampling", "top_k keeps drawing within the k likeliest")
def within(server: Server) -> None:
    for seed in (1, 2):
        got = server.chat(server.question, temperature=2.0, seed=seed, logprobs=True, top_logprobs=3, extra_body={"top_k": 3})
        for i, token in enumerate(got.choices[0].logprobs.content):
            likeliest = [(t.token, t.bytes) for t in token.top_logprobs]
            expect((token.token, token.bytes) in likeliest, f"seed {seed}, token {i}: {token.token!r} is not among {likeliest}")
