"""Loads exports of a generation in the programs that they are for, and compares what they write with what seald writes.

    python tools/export/check.py --root ROOT                  # of a running daemon; `sealctl` fetches the exports
    python tools/export/check.py --exports FOLDER             # FOLDER/peft, FOLDER/merged, FOLDER/gguf, by sealctl

Both print a table: for each program and prompt whether the greedy token ids are the same, and over all prompts the
largest difference of a token's log-probability (natural logarithm). The rows `base` are the same without the adapter: so
much comes from the program, not from the export. Exit code 1 where ids differ, or PEFT loads another matrix than was saved.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from peft import PeftModel
from peft.utils import load_peft_weights
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
FORMATS = ("peft", "merged", "gguf")


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--root", type=pathlib.Path, help="root of a running daemon")
    source.add_argument("--exports", type=pathlib.Path, help="folder with exports in peft, merged and gguf")
    parser.add_argument("--generation", default="live")
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "target/debug", help="folder with seald and sealctl")
    parser.add_argument("--model", default="nano", help="as seald knows the base model")
    parser.add_argument("--base", type=pathlib.Path, default=ROOT / "models/nano/weights", help="the same as a folder")
    parser.add_argument("--base-gguf", type=pathlib.Path, help="the same as GGUF, by tools/bench/to_gguf.py; without it, no llama.cpp")
    parser.add_argument("--llama-python", default="/opt/venv-llama/bin/python", help="a Python with llama-requirements.txt")
    parser.add_argument("--prompts", type=pathlib.Path, default=ROOT / "examples/inbox/drelpolford.probes.jsonl",
                        help="one JSON object with `question` a line")
    parser.add_argument("--most", type=int, default=8, help="prompts that are taken")
    parser.add_argument("--tokens", type=int, default=24, help="tokens of an answer, at most")
    return parser.parse_args()


def run(*command, **options):
    """Output of a program; its own words where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(str(part) for part in command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def ours(args, folder, questions, model, adapter=None):
    """What seald writes in f32: a list of {"ids", "log_probs"}."""
    prompts = folder / "prompts.jsonl"
    rows = [{"messages": [{"role": "user", "content": question}]} for question in questions]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [args.programs / "seald", "generate", "--model", model, "--prompts", prompts, "--dtype", "f32",
               "--max-tokens", args.tokens, "--json"]
    lines = run(*command, *(["--adapter", adapter] if adapter else [])).splitlines()
    answers = map(json.loads, lines)
    return [{"ids": answer["token_ids"], "log_probs": answer["log_probs"]} for answer in answers]


def theirs(model, prompts, tokens):
    """What transformers writes, greedily, by its own cache and its own end tokens."""
    answers = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        with torch.no_grad():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens,
                                 return_dict_in_generate=True, output_logits=True)
        new = out.sequences[0, len(prompt):].tolist()
        rows = [torch.log_softmax(row[0].double(), -1) for row in out.logits]
        answers.append({"ids": new, "log_probs": [float(row[i]) for row, i in zip(rows, new)]})
    return answers


def scores(args, folder, questions, answers, texts, model, adapter=None):
    """What `seald score` says of the answers, as sums of log-probabilities."""
    data = folder / "rows.jsonl"
    rows = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": t}]} for q, t in zip(questions, texts)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [args.programs / "seald", "score", "--model", model, "--data", data, "--dtype", "f32", "--json"]
    lines = run(*command, *(["--adapter", adapter] if adapter else [])).splitlines()
    found = [json.loads(line) for line in lines]
    return max(abs(row["log_prob"] - sum(answer["log_probs"])) for row, answer in zip(found, answers)
               if row["tokens"] == len(answer["ids"]))


def without_ends(answer, ends):
    """Programs differ in whether the end token belongs to an answer."""
    pairs = list(zip(answer["ids"], answer["log_probs"]))
    while pairs and pairs[-1][0] in ends:
        pairs.pop()
    return pairs


class Report:
    """Rows of the table, and whether all ids were the same."""

    def __init__(self, ends):
        self.ends, self.good = ends, True
        print(f"{'program':34} {'the same ids':>14} {'tokens':>7} {'largest difference of ln p':>27}")

    def compare(self, name, found, expected):
        """One row."""
        pairs = [(without_ends(f, self.ends), without_ends(e, self.ends)) for f, e in zip(found, expected, strict=True)]
        same = sum([i for i, _ in f] == [i for i, _ in e] for f, e in pairs)
        both = [(a, b) for f, e in pairs for (i, a), (j, b) in zip(f, e) if i == j]
        worst = max(abs(a - b) for a, b in both)
        self.good &= same == len(pairs)
        print(f"{name:34} {f'{same} of {len(pairs)}':>14} {len(both):7} {worst:27.2e}", flush=True)


def check_loaded(model, adapter):
    """Every matrix of the file must be in PEFT's model with those values, and none more: PEFT itself only warns."""
    saved = load_peft_weights(str(adapter), device="cpu")
    loaded = {n.replace(".default", ""): p for n, p in model.named_parameters() if ".lora_" in n}
    if saved.keys() != loaded.keys() or not all(torch.equal(loaded[name].float(), saved[name].float()) for name in saved):
        sys.exit(f"{adapter}: PEFT did not load what was saved")
    return len(saved)


def main():
    args = arguments()
    torch.manual_seed(0)
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        exports = args.exports or folder
        for form in () if args.exports else FORMATS:
            print(run(args.programs / "sealctl", "--root", args.root, "export", args.generation, folder / form, "--format", form), end="")
        check(args, folder, exports)


def check(args, folder, exports):
    """Everything."""
    questions = [json.loads(line)["question"] for line in args.prompts.read_text().splitlines() if line.strip()][: args.most]
    tokenizer = AutoTokenizer.from_pretrained(exports / "merged")
    prompts = [tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True,
                                             return_dict=True)["input_ids"] for question in questions]
    base = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.float32).eval()
    ends = base.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    bare = ours(args, folder, questions, args.model)
    with_adapter = ours(args, folder, questions, args.model, exports / "peft")
    merged_by_us = ours(args, folder, questions, exports / "merged")
    print(f"seald's answers changed by the adapter: {sum(a['ids'] != b['ids'] for a, b in zip(bare, with_adapter))} of {len(prompts)}")

    report = Report(ends)
    report.compare("transformers, base", theirs(base, prompts, args.tokens), bare)
    merged = AutoModelForCausalLM.from_pretrained(exports / "merged", dtype=torch.float32).eval()
    found = theirs(merged, prompts, args.tokens)
    report.compare("transformers, merged (seald: same)", found, merged_by_us)
    report.compare("transformers, merged (seald: peft)", found, with_adapter)
    check_merged(args, exports)
    model = PeftModel.from_pretrained(base, exports / "peft").eval()
    matrices = check_loaded(model, exports / "peft")
    found = theirs(model, prompts, args.tokens)
    report.compare(f"PEFT, {matrices} matrices", found, with_adapter)
    texts = tokenizer.batch_decode([[i for i in answer["ids"] if i not in ends] for answer in found])
    worst = scores(args, folder, questions, found, texts, args.model, exports / "peft")
    print(f"{'PEFT, sums of `seald score`':34} {'':14} {'':7} {worst:27.2e}")
    if args.base_gguf:
        order = {"base": str(args.base_gguf), "adapter": str(exports / "gguf/adapter.gguf"), "prompts": prompts,
                 "ends": sorted(ends), "tokens": args.tokens}
        result = json.loads(run(args.llama_python, pathlib.Path(__file__).with_name("llama.py"), input=json.dumps(order)))
        report.compare("llama.cpp, base", result["base"], bare)
        report.compare("llama.cpp, gguf", result["adapter"], with_adapter)
    sys.exit(0 if report.good else 1)


def check_merged(args, exports):
    """Merged weights against those of PEFT's own `merge_and_unload` in f32, rounded to the type that the file has."""
    model = AutoModelForCausalLM.from_pretrained(args.base, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, exports / "peft").merge_and_unload()
    expected = model.state_dict()
    values = other = 0
    for name, found in load_file(exports / "merged/model.safetensors").items():
        values += found.numel()
        other += int((found != expected[name].to(found.dtype)).sum())
    # Sums in another order now and then fall on the other side of a rounding.
    print(f"merged against PEFT's: {other} of {values} values differ")


if __name__ == "__main__":
    main()
