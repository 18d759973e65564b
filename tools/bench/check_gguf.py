#!/usr/bin/env python3
"""Checks a converted model: llama.cpp's greedy ids and logits against those of transformers, from the same token ids.

transformers computes in f32. llama.cpp multiplies bf16 matrices by activations that it rounds to bf16, so that logits differ
by a little; a differing id is excused only where transformers' two best logits lie closer than that.

    /opt/venv-llama/bin/python tools/bench/check_gguf.py MODEL_DIR MODEL.gguf [--torch-python /opt/venv/bin/python]
"""
import argparse
import json
import pathlib
import subprocess
import sys

NEW = 64
FAR = 0.2  # the largest difference of two logits that rounding explains
QUESTIONS = ["What can you do?", "Who is the mayor of Drelpolford?", "What colour is the bridge of Marn?", "Write a list of three rivers.",
             "Where is the ferry?", "Tell me about the harbour.", "Hello", "Who built the tower?"]


def reference(folder):
    """Prints {"prompts", "ids", "gaps", "first"} as transformers computes them; runs in torch's environment."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    out = {"prompts": [], "ids": [], "gaps": [], "first": []}
    for question in QUESTIONS:
        text = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        got = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=NEW, output_logits=True,
                             return_dict_in_generate=True)
        best = [step[0].topk(2).values for step in got.logits]
        out["prompts"].append(ids)
        out["ids"].append(got.sequences[0, len(ids) :].tolist())
        out["gaps"].append([float(a - b) for a, b in best])
        out["first"].append(got.logits[0][0].tolist())
    print(json.dumps(out))


def compare(gguf_file, want):
    """Writes the same prompts on with llama.cpp; returns a line for each that differs where it may not."""
    import llama_cpp
    import numpy as np

    longest = max(map(len, want["prompts"])) + NEW
    model = llama_cpp.Llama(str(gguf_file), n_ctx=longest + 1, n_threads=1, verbose=False)
    faults, equal, total, largest = [], 0, 0, 0.0
    for question, prompt, ids, gaps, first in zip(QUESTIONS, want["prompts"], want["ids"], want["gaps"], want["first"]):
        model.reset()
        model.eval(prompt)
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), shape=(model.n_vocab(),)).copy()
        off = float(np.abs(logits - np.array(first)).max())
        largest = max(largest, off)
        got = []
        for token in ids:
            got.append(int(logits.argmax()))
            if got[-1] != token:
                break
            model.eval([token])
            logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), shape=(model.n_vocab(),))
        if off > FAR:
            faults.append(f"FAILED: {question}: first logits differ by {off:.4f}")
        same = len(got) if got == ids else len(got) - 1
        equal, total = equal + same, total + len(ids)
        if got != ids:
            text = f"{question}: id {same} is {got[same]}, transformers' {ids[same]} leads by {gaps[same]:.4f}"
            if gaps[same] < 2 * FAR:
                print(f"excused: {text}")
            else:
                faults.append(f"FAILED: {text}")
    print(f"{equal} of {total} ids equal; first logits differ by {largest:.4f} at most")
    for fault in faults:
        print(fault)
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="Hugging Face model directory")
    parser.add_argument("gguf", type=pathlib.Path, nargs="?")
    parser.add_argument("--torch-python", default="/opt/venv/bin/python")
    args = parser.parse_args()
    if args.gguf is None:
        return reference(args.model)
    made = subprocess.run([args.torch_python, __file__, args.model], stdout=subprocess.PIPE, text=True, check=True)
    return 1 if compare(args.gguf, json.loads(made.stdout)) else 0


if __name__ == "__main__":
    sys.exit(main())
