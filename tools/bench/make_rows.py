#!/usr/bin/env python3
"""Writes benches/data/ragged_lengths.json: the row lengths of 20 real self-edits, as numbers only.

Source: the first 20 passages of shared/data/seal/passages_40.json, each with its first self-edit of kind
`implications`. Rows are what SEAL trains on: one `title\\nline` per non-empty line of the self-edit (a first line that
only introduces a list is dropped) and the passage itself (`title\\ncontext`) as the last row.

No Qwen tokenizer is at hand, so the length is estimated from the text: characters / 4.5, rounded up. 4.5 is the divisor
that gives these self-edits the mean length counted with the real tokenizer in SEAL's own result files, 406 tokens (the
script prints the mean). What the benchmark depends on is the spread of the lengths, which no divisor changes.

    python3 tools/bench/make_rows.py [passages_40.json] [out.json]
"""
import json
import math
import pathlib
import sys

CHARS_PER_TOKEN = 4.5
PASSAGES = 20
ROOT = pathlib.Path(__file__).resolve().parents[2]


def rows_of(passage):
    """The texts of the training rows of one passage."""
    lines = [line.strip() for line in passage["self_edits"]["implications"][0].split("\n")]
    lines = [line for line in lines if line]
    if len(lines) > 1 and lines[0].endswith(":"):
        lines = lines[1:]
    return [f"{passage['title']}\n{line}" for line in lines + [passage["context"]]]


def tokens(text):
    """Estimated number of tokens of a text."""
    return math.ceil(len(text) / CHARS_PER_TOKEN)


def main():
    source = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared/data/seal/passages_40.json"
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "benches/data/ragged_lengths.json"
    passages = json.loads(source.read_text())[:PASSAGES]
    edits = [[tokens(row) for row in rows_of(passage)] for passage in passages]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("[\n" + ",\n".join("  " + json.dumps(edit) for edit in edits) + "\n]\n")
    totals = [sum(edit) for edit in edits]
    padded = sum(max(edit[i : i + 8]) * len(edit[i : i + 8]) for edit in edits for i in range(0, len(edit), 8))
    print(
        f"{out}: {len(edits)} self-edits, {sum(map(len, edits))} rows, {sum(totals)} tokens, "
        f"mean {sum(totals) / len(totals):.0f} a self-edit; padded to the longest of 8 rows {padded} "
        f"(x{padded / sum(totals):.2f}), padded to 2048 {2048 * sum(map(len, edits))}"
    )


if __name__ == "__main__":
    main()
