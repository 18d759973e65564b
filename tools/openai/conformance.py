#!/usr/bin/env python3
"""Asks a server that speaks OpenAI's protocol everything that seald promises, with the real `openai` package and curl.

One line for each check: `ok` with what was seen, `FAILED` with why, `left out` where a way in is not given. Exit code 1 if
one failed. README.md says how to set it up.

    conformance.py --url http://127.0.0.1:7325/v1 --token-file F --socket state/seald.sock --model live
"""
import argparse
import datetime
import pathlib
import sys
import time

import openai

import checks  # noqa: F401 (enters them)
from checking import CHECKS, Check, Failed, Server


def run(check: Check, server: Server) -> tuple[str, str]:
    """What came of a check (ok, FAILED, left out) and the words to it."""
    if check.needs and not {"tcp": server.url, "socket": server.socket}[check.needs]:
        return "left out", "no --url" if check.needs == "tcp" else "no --socket"
    try:
        return "ok", check.run(server) or ""
    except Failed as wrong:
        return "FAILED", str(wrong)
    except openai.APIStatusError as error:
        return "FAILED", f"the server answered {error.status_code}: {error.message}"
    except Exception as error:  # whatever a server's answer did to the client is a finding, and the next check goes on
        return "FAILED", f"{type(error).__name__}: {error}"


def one_line(text: str, most: int = 400) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3] + "..."


def markdown(results: list[tuple[Check, str, str]], what: str) -> str:
    """The table for the docs."""
    def cell(text: str) -> str:
        return one_line(text, 160).replace("|", "\\|").replace("<", "&lt;")

    lines = [what, "", "| | check | result | |", "| --- | --- | --- | --- |"]
    lines += [f"| {c.group} | {cell(c.name)} | {result} | {cell(words)} |" for c, result, words in results]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("filter", nargs="*", help="only checks whose group or name contains one of these")
    parser.add_argument("--url", help="base URL with /v1; without it all goes over the socket")
    parser.add_argument("--token-file", type=pathlib.Path, help="file with the bearer token")
    parser.add_argument("--socket", type=pathlib.Path, help="the Unix socket of the same server")
    parser.add_argument("--model", default="live")
    parser.add_argument("--long", type=int, default=300, help="tokens of the answers that are broken off; below the context")
    parser.add_argument("--flood", type=int, default=120, help="requests at once that should fill the queue")
    parser.add_argument("--markdown", action="store_true", help="a table, when all is done")
    args = parser.parse_args()
    if not args.url and not args.socket:
        parser.error("where is the server? Give --url, --socket or both")
    token = args.token_file.read_text(encoding="utf-8").strip() if args.token_file else None
    server = Server(args.url, token, args.socket, args.model, args.long, args.flood)
    results = []
    for check in CHECKS:
        if args.filter and not any(f in f"{check.group}: {check.name}" for f in args.filter):
            continue
        begin = time.monotonic()
        result, words = run(check, server)
        results.append((check, result, words))
        shown = f"{result}: {one_line(words)}" if words else result
        print(f"{check.group}: {check.name} ... {shown} ({time.monotonic() - begin:.1f} s)",
              file=sys.stderr if args.markdown else sys.stdout, flush=True)
    counts = {r: sum(result == r for _, result, _ in results) for r in ("ok", "FAILED", "left out")}
    summary = ", ".join(f"{n} {r}" for r, n in counts.items() if n)
    if args.markdown:
        date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
        print(markdown(results, f"{summary}; openai {openai.__version__}, model `{args.model}`, {date}."))
    else:
        print(summary)
    if not results:
        print("no check has such a name", file=sys.stderr)
        return 2
    return 1 if counts["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
