"""Many at once: the same texts, 429 when the queue is full, and what a client that goes away leaves behind."""
import asyncio
import re
import time

import httpx2

from checking import Failed, Server, check, equal, expect, text_of

# Figures of /metrics that say how many answers are being written: ours, and llama-server's.
GAUGE = re.compile(r"^(\w+[_:](?:requests|answers|completions|sequences)_(?:running|processing|active|in_flight|in_progress))"
                   r"(?:\{[^}]*\})? ([0-9.e+-]+)$", re.MULTILINE)
ABANDONED = 16


@check("load", "eight asked at once: the same texts as one after another")
def at_once(server: Server) -> None:
    bodies = [{"model": server.model, "prompt": [7, 300, 20 + i], "temperature": 0, "max_tokens": 32} for i in range(4)]
    bodies += [{"model": server.model, "prompt": [7, 300], "temperature": 1, "seed": i, "max_tokens": 32} for i in range(4)]
    alone = [server.post("completions", body).json()["choices"][0]["text"] for body in bodies]

    async def together() -> list[str]:
        async with server.raw_async_client() as client:
            got = await asyncio.gather(*(client.post("/v1/completions", json=body) for body in bodies))
            return [g.json()["choices"][0]["text"] for g in got]

    for body, one, many in zip(bodies, alone, asyncio.run(together())):
        equal(f"{body['prompt']}, temperature {body['temperature']}", many, one)


@check("load", "flood: 429 with Retry-After, every other answer 200, and then it answers as before")
def flood(server: Server) -> str:
    sent, retry_after, seconds = asyncio.run(until_refused(server))
    begin = time.monotonic()
    for _ in range(60):
        got = server.post("completions", {"model": server.model, "prompt": "Hello", "max_tokens": 2})
        if got.status_code == 200:
            break
        equal("status after the flood", got.status_code, 429)
        time.sleep(0.5)
    equal("status 30 s after the flood", got.status_code, 200)
    return f"429 among {sent} requests after {seconds:.2f} s, Retry-After {retry_after}; free after {time.monotonic() - begin:.2f} s"


async def until_refused(server: Server) -> tuple[int, str, float]:
    """Sends long requests all at once until one is refused, then breaks the others off."""
    body, begin = server.long.body, time.monotonic()
    async with server.raw_async_client() as client:
        tasks = [asyncio.create_task(client.post("/v1/completions", json=body)) for _ in range(server.flood)]
        try:
            for done in asyncio.as_completed(tasks):
                got = await done
                if got.status_code == 429:
                    retry_after = got.headers.get("retry-after")
                    expect(retry_after is not None, "429 without Retry-After")
                    expect(retry_after.isdigit() and 1 <= int(retry_after) <= 3600, f"Retry-After is {retry_after!r}")
                    error = got.json()["error"]
                    equal("fields of the error", {"message", "type", "param", "code"} - set(error), set())
                    return server.flood, retry_after, time.monotonic() - begin
                equal("status", got.status_code, 200)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    raise Failed(f"{server.flood} requests at once were all answered (--flood sends more)")


@check("load", "a client that breaks off frees its place")
def disconnect(server: Server) -> str:
    long = server.long
    begin = time.monotonic()
    equal("status", server.post("completions", long.body).status_code, 200)
    alone = time.monotonic() - begin
    told = [gauge_falls(server), later_is_fast(server, alone)]
    expect(any(told), f"cannot be told: no gauge of running answers in /metrics, and an answer of {long.tokens} tokens took "
           f"{alone:.2f} s alone and hardly more beside {ABANDONED} others (--long makes them longer)")
    return "; ".join(filter(None, told))


def running(server: Server) -> float | None:
    """The sum of the gauges in /metrics that count answers being written; None where there are none."""
    got = server.http.get("/metrics")
    found = GAUGE.findall(got.text) if got.status_code == 200 else []
    return sum(float(value) for _, value in found) if found else None


def gauge_falls(server: Server) -> str | None:
    """With a gauge: it rises while a stream is read and falls long before the answers would have been written."""
    before, body = running(server), server.long.body | {"n": 4}
    if before is None:
        return None
    begin = time.monotonic()
    equal("status", server.post("completions", body).status_code, 200)
    alone = time.monotonic() - begin
    with server.http.stream("POST", "/v1/completions", json=body | {"stream": True}) as stream:
        equal("status", stream.status_code, 200)
        next(stream.iter_lines())
        during = max(running(server) for _ in range(3))
        expect(during > before, f"the gauge in /metrics stays at {before:.0f} while answers are written")
    begin = time.monotonic()
    while running(server) > before:
        waited = time.monotonic() - begin
        expect(waited < alone / 2, f"{waited:.2f} s after the client went the gauge still counts it (all of it takes {alone:.2f} s)")
        time.sleep(0.005)
    return f"the gauge fell after {time.monotonic() - begin:.3f} s, all of the answer takes {alone:.2f} s"


def later_is_fast(server: Server, alone: float) -> str | None:
    """Without a gauge: an answer behind many abandoned ones is nearly as fast as alone, where beside them it is not."""
    beside = asyncio.run(behind_others(server, abandon=False))
    if beside < 2 * alone:
        return None
    after = asyncio.run(behind_others(server, abandon=True))
    expect(after < (alone + beside) / 2,
           f"behind {ABANDONED} abandoned answers one took {after:.2f} s; alone {alone:.2f} s, beside {ABANDONED} others {beside:.2f} s")
    return f"an answer took {alone:.2f} s alone, {beside:.2f} s beside {ABANDONED} others, {after:.2f} s behind {ABANDONED} abandoned ones"


async def behind_others(server: Server, abandon: bool) -> float:
    """Seconds of one long answer that is asked for when others have begun, which are broken off before or not."""
    async with server.raw_async_client() as client:
        begun = asyncio.Event()
        tasks = [asyncio.create_task(read_stream(client, server, begun)) for _ in range(ABANDONED)]
        try:
            await asyncio.wait_for(begun.wait(), 60)
            if abandon:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            begin = time.monotonic()
            while (got := await client.post("/v1/completions", json=server.long.body)).status_code == 429:
                await asyncio.sleep(0.05)
            equal("status", got.status_code, 200)
            return time.monotonic() - begin
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def read_stream(client: httpx2.AsyncClient, server: Server, begun: asyncio.Event) -> None:
    async with client.stream("POST", "/v1/completions", json=server.long.body | {"stream": True}) as stream:
        async for _ in stream.aiter_lines():
            begun.set()
