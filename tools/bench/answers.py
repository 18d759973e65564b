#!/usr/bin/env python3
"""How fast two servers answer the same requests: tokens a second and latency at 1, 4, 16 clients, ours beside llama-server.

Both have the same weights and get the same prompts as token ids through /v1/completions, streamed (or with --whole not),
greedy, with a fixed max_tokens. Only prompts are taken whose answers are that long on both. Round after round each server
answers all requests at each number of clients, in an order drawn anew each round, one server at a time; the first round is
thrown away. The table has medians over the rounds. All clients are this one process, whose own use of the cores is in the
table. README.md says how to start the two; without --peer, or where it is not there, ours is measured alone.

    answers.py --ours http://127.0.0.1:7325/v1 --token-file F --peer http://127.0.0.1:8080/v1 --json target/answers.json
"""
import argparse
import asyncio
import dataclasses
import json
import os
import pathlib
import random
import statistics
import sys
import time

import httpx2

import compare

MASK = (1 << 64) - 1


@dataclasses.dataclass
class Server:
    """One of the two: where it is, what it wants to be asked with, and its process if it is found."""

    name: str
    url: str
    body: dict
    headers: dict
    pid: int | None = None

    def client(self, clients: int) -> httpx2.AsyncClient:
        # A connection for each request: llama-server closes those that were quiet for some seconds, or served a hundred.
        return httpx2.AsyncClient(base_url=self.url.rstrip("/"), headers=self.headers, timeout=600.0,
                                  limits=httpx2.Limits(max_connections=clients, max_keepalive_connections=0))


@dataclasses.dataclass
class Answer:
    """One request: seconds to the first piece and to the end, tokens by the server's own count, the text."""

    first: float
    whole: float
    tokens: int
    text: str


def prompt_ids(index: int, length: int, vocab: int) -> list[int]:
    """Ids that look random, by the hash of README.md; the first 16 ids, where special tokens may lie, are left out."""
    out = []
    for t in range(length):
        z = ((index << 20) + t + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        out.append(16 + (z ^ (z >> 31)) % (vocab - 16))
    return out


async def ask(client: httpx2.AsyncClient, server: Server, ids: list[int], new: int, streamed: bool) -> Answer:
    """One request."""
    body = server.body | {"prompt": ids, "max_tokens": new, "temperature": 0}
    begin, first, tokens, text = time.perf_counter(), None, None, []
    if not streamed:
        got = await client.post("/completions", json=body)
        if got.status_code != 200:
            raise SystemExit(f"{server.name} answered {got.status_code}: {got.text[:300]}")
        seconds, reply = time.perf_counter() - begin, got.json()
        return Answer(seconds, seconds, reply["usage"]["completion_tokens"], reply["choices"][0]["text"])
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    async with client.stream("POST", "/completions", json=body) as stream:
        if stream.status_code != 200:
            raise SystemExit(f"{server.name} answered {stream.status_code}: {(await stream.aread()).decode()[:300]}")
        async for line in stream.aiter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line.removeprefix("data: "))
            if chunk.get("choices"):
                first = first or time.perf_counter() - begin
                text.append(chunk["choices"][0]["text"])
            if chunk.get("usage"):
                tokens = chunk["usage"]["completion_tokens"]
    if first is None or tokens is None:
        raise SystemExit(f"{server.name}: a stream without text or usage; does it know stream_options.include_usage?")
    return Answer(first, time.perf_counter() - begin, tokens, "".join(text))


async def ask_all(server: Server, prompts: list[list[int]], clients: int, new: int, streamed: bool) -> tuple[float, list[Answer]]:
    """All prompts by so many clients, each of which asks again as soon as it has its answer; seconds for all, and the answers."""
    answers: list[Answer | None] = [None] * len(prompts)
    todo = iter(enumerate(prompts))

    async def one_client(client: httpx2.AsyncClient) -> None:
        for i, ids in todo:
            answers[i] = await ask(client, server, ids, new, streamed)

    async with server.client(clients) as client:
        begin = time.perf_counter()
        await asyncio.gather(*(one_client(client) for _ in range(clients)))
        return time.perf_counter() - begin, answers


def long_prompts(servers: list[Server], args: argparse.Namespace) -> tuple[list[list[int]], str]:
    """Prompts whose answers reach max_tokens on every server, and how many were tried and came out with the same text."""
    kept, tried, same = [], 0, 0
    while len(kept) < args.requests:
        if tried >= 40 * args.requests:
            raise SystemExit(f"only {len(kept)} of {tried} prompts have answers of {args.new} tokens; take a smaller --new or --requests")
        batch = [prompt_ids(tried + i, args.prompt, args.vocab) for i in range(16)]
        tried += len(batch)
        got = [asyncio.run(ask_all(server, batch, 4, args.new, False))[1] for server in servers]
        for i, ids in enumerate(batch):
            if len(kept) < args.requests and all(answers[i].tokens == args.new for answers in got):
                kept.append(ids)
                same += all(answers[i].text == got[0][i].text for answers in got)
    words = f"{len(kept)} prompts of {args.prompt} ids kept of {tried} tried"
    return kept, words + (f"; {same} have the same text from both" if len(servers) > 1 else "")


def quantile(values: list[float], share: float) -> float:
    """The smallest value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]


def unit(server: Server, prompts: list[list[int]], clients: int, new: int, streamed: bool) -> dict:
    """One measured pass; `others` is the share of all cores that neither the server nor this program used."""
    mine, busy = cpu_seconds(os.getpid()), compare.busy_seconds()
    its = cpu_seconds(server.pid)
    seconds, answers = asyncio.run(ask_all(server, prompts, clients, new, streamed))
    own = cpu_seconds(os.getpid()) - mine
    others = server_cores = None
    if its is not None:
        spent = cpu_seconds(server.pid) - its
        foreign = compare.busy_seconds() - busy - spent - own
        others, server_cores = max(0.0, foreign) / (os.cpu_count() * seconds), spent / seconds
    tokens = sum(a.tokens for a in answers)
    return {"server": server.name, "clients": clients, "seconds": seconds, "tokens": tokens, "tokens_per_second": tokens / seconds,
            "first": [a.first for a in answers], "whole": [a.whole for a in answers], "others": others, "server_cores": server_cores,
            "client_cores": own / seconds}


def cpu_seconds(pid: int | None) -> float | None:
    """CPU time of a process, or None if there is none to look at."""
    if pid is None:
        return None
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listener(url: str) -> int | None:
    """The process that listens on the port of a URL on this machine; None where it is not seen (another user's, another machine's)."""
    host, port = httpx2.URL(url).host, httpx2.URL(url).port or 80
    if host not in ("127.0.0.1", "localhost", "::1"):
        return None
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for link in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) in sockets:
                return int(link.parts[2])
        except OSError:
            continue
    return None


def summaries(units: list[dict]) -> list[dict]:
    """Medians over the rounds, for each number of clients and server."""
    rows = []
    for clients, name in dict.fromkeys((u["clients"], u["server"]) for u in sorted(units, key=lambda u: (u["clients"], u["server"]))):
        mine = [u for u in units if (u["clients"], u["server"]) == (clients, name)]
        over = lambda f: statistics.median(map(f, mine))
        known = [u["others"] for u in mine if u["others"] is not None]
        rows.append({
            "clients": clients, "server": name, "tokens_per_second": over(lambda u: u["tokens_per_second"]),
            "slowest_round": min(u["tokens_per_second"] for u in mine), "fastest_round": max(u["tokens_per_second"] for u in mine),
            **{f"{what}_p{p}": over(lambda u: quantile(u[what], p / 100)) for what in ("first", "whole") for p in (50, 95)},
            "others": statistics.median(known) if known else None, "others_most": max(known) if known else None,
            "server_cores": over(lambda u: u["server_cores"]) if known else None, "client_cores": over(lambda u: u["client_cores"])})
    return rows


def markdown(record: dict) -> str:
    """The table, with what a reader needs to judge it."""
    m, ms = record["machine"], lambda seconds: f"{1000 * seconds:.0f}"
    lines = [f"Machine: {m['cpu']}, {m['cores']} cores, Linux {m['kernel']}; commit {m['commit']}; {m['date']}.", "",
             f"{record['requests']} requests, {record['new']} new tokens each, greedy, {'' if record['streamed'] else 'not '}streamed, "
             f"{record['rounds']} rounds; meanwhile: {record['during']}. "
             f"{record['prompts']}.", "",
             "| clients | server | tok/s | (rounds) | first piece p50 / p95, ms | whole p50 / p95, ms | cores it used | cores of the clients | others |",
             "| --: | --- | --: | --- | --: | --: | --: | --: | --: |"]
    for r in record["rows"]:
        share = "unknown" if r["others"] is None else f"{100 * r['others']:.0f} %, at most {100 * r['others_most']:.0f} %"
        cores = "unknown" if r["server_cores"] is None else f"{r['server_cores']:.2f}"
        first = f"{ms(r['first_p50'])} / {ms(r['first_p95'])}" if record["streamed"] else ""
        lines.append(f"| {r['clients']} | {r['server']} | {r['tokens_per_second']:.0f} | {r['slowest_round']:.0f} to {r['fastest_round']:.0f} "
                     f"| {first} | {ms(r['whole_p50'])} / {ms(r['whole_p95'])} | {cores} | {r['client_cores']:.2f} | {share} |")
    lines += ["", "*others*: share of all cores that other processes used."]
    lines += [f"{name}: `{' '.join(argv)}`" for name, argv in record["commands"].items()]
    lines += record["notes"]
    return "\n".join(lines)


async def reachable(server: Server) -> str | None:
    """Why a server cannot be asked, or None."""
    try:
        async with server.client(1) as client:
            got = await client.get("/models")
            return None if got.status_code == 200 else f"{server.url}/models answered {got.status_code}"
    except httpx2.HTTPError as error:
        return f"{server.url}: {error or type(error).__name__}"


def measure(servers: list[Server], prompts: list[list[int]], args: argparse.Namespace) -> list[dict]:
    """All rounds, the order of servers and numbers of clients drawn anew in each."""
    rng, units = random.Random(args.seed), []
    for number in range(-1, args.rounds):
        order = [(server, clients) for server in servers for clients in args.clients]
        done = [unit(server, prompts, clients, args.new, not args.whole) for server, clients in rng.sample(order, len(order))]
        units += [u | {"round": number} for u in done if number >= 0]
        shown = ", ".join(f"{u['server']} x{u['clients']} {u['tokens_per_second']:.0f}" for u in done)
        print(f"{'warm-up' if number < 0 else f'round {number + 1}/{args.rounds}'}, tok/s: {shown}", file=sys.stderr)
    return units


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="URL with /v1")
    parser.add_argument("--token-file", type=pathlib.Path, help="our bearer token")
    parser.add_argument("--model", default="base", help="our model; the peer serves one")
    parser.add_argument("--peer", help="llama-server's URL with /v1")
    parser.add_argument("--clients", type=lambda s: [int(n) for n in s.split(",")], default=[1, 4, 16])
    parser.add_argument("--requests", type=int, default=32, help="requests of each server at each number of clients, each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--new", type=int, default=64, help="max_tokens")
    parser.add_argument("--prompt", type=int, default=32, help="ids in a prompt")
    parser.add_argument("--vocab", type=int, default=2048, help="size of the vocabulary from which ids are drawn")
    parser.add_argument("--whole", action="store_true", help="answers in one piece: less work for the clients, which share the cores")
    parser.add_argument("--during", default="nothing", help="what the daemon does meanwhile, for the table (training, for instance)")
    parser.add_argument("--seed", type=int, default=1, help="of the order")
    parser.add_argument("--json", type=pathlib.Path, help="write everything measured here")
    return parser.parse_args()


def main() -> int:
    args, notes = arguments(), []
    token = {"Authorization": f"Bearer {args.token_file.read_text(encoding='utf-8').strip()}"} if args.token_file else {}
    servers = [Server("seald", args.ours, {"model": args.model}, token)]
    if why := asyncio.run(reachable(servers[0])):
        sys.exit(f"ours cannot be asked: {why}")
    # llama-server would otherwise keep the prompt's cache from the round before.
    peer = Server("llama-server", args.peer, {"model": "peer", "cache_prompt": False}, {}) if args.peer else None
    why = asyncio.run(reachable(peer)) if peer else "no --peer was given"
    if why:
        notes.append(f"The peer is left out: {why}; tools/bench/README.md says how to start it.")
        print(notes[0], file=sys.stderr)
    else:
        servers.append(peer)
    for server in servers:
        server.pid = listener(server.url)
    prompts, words = long_prompts(servers, args)
    units = measure(servers, prompts, args)
    commands = {s.name: pathlib.Path(f"/proc/{s.pid}/cmdline").read_text().split("\0")[:-1] for s in servers if s.pid}
    record = {"machine": compare.machine(), "requests": args.requests, "new": args.new, "rounds": args.rounds, "streamed": not args.whole, "during": args.during,
              "prompts": words, "commands": commands, "notes": notes, "rows": summaries(units), "units": units}
    if args.json:
        args.json.write_text(json.dumps(record, indent=1))
    print(markdown(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
