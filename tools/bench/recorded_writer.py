"""An OpenAI-compatible server of texts that were written before: the other model of `method writer --endpoint`.

    python3 tools/bench/recorded_writer.py eval/ideal-60.json --port 8077

It answers POST /v1/chat/completions with the text about the passage's title in the format that the prompt asks for, and nothing else. Python's own library is
enough."""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROMPTS = Path(__file__).parents[2] / "crates" / "learn" / "src" / "prompts"


def beginnings() -> dict[str, str]:
    """What each format's prompt begins with, before the passage."""
    texts = {path.stem: path.read_text() for path in PROMPTS.glob("*.txt")}
    return {name: text.split("{title}")[0] for name, text in texts.items() if "{title}" in text}


def handler(written: dict[str, dict[str, str]]) -> type[BaseHTTPRequestHandler]:
    """What answers requests from these texts, by title and format."""
    prompts = beginnings()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            prompt = request["messages"][-1]["content"]
            found = [name for name, begin in prompts.items() if prompt.startswith(begin)]
            title = prompt[len(prompts[found[0]]):].splitlines()[0] if found else ""
            text = next((written[title][name] for name in found if name in written.get(title, {})), None)
            if self.path != "/v1/chat/completions" or text is None:
                self.reply(404, {"error": {"message": f"nothing was written about {title!r} as {found}"}})
                return
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self.reply(200, {"object": "chat.completion", "model": request["model"], "choices": [choice]})

        def reply(self, status: int, body: dict) -> None:
            """One JSON object."""
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Silent: hundreds of requests come."""

    return Handler


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path, help='[{"title": .., "texts": {"implications": ..}}]')
    parser.add_argument("--port", type=int, default=8077)
    options = parser.parse_args()
    written = {one["title"]: one["texts"] for one in json.loads(options.texts.read_text())}
    ThreadingHTTPServer(("127.0.0.1", options.port), handler(written)).serve_forever()


if __name__ == "__main__":
    main()
