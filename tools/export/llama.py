"""Greedy decoding by llama.cpp from given token ids, with and without an adapter. check.py runs it.

Reads {"base", "adapter", "prompts": [[id]], "ends": [id], "tokens": n} as JSON on stdin; writes {"base", "adapter"} on
stdout, each a list of {"ids", "log_probs"}, one for each prompt.
"""
import json
import os
import sys

import llama_cpp
import numpy as np


def log_softmax(logits):
    """In f64, as llama.cpp gives f32 logits."""
    logits = logits.astype(np.float64)
    return logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())


def decode(model, prompt, ends, tokens):
    """The likeliest token, again and again, up to an end token, which is part of it."""
    model.reset()
    model.eval(prompt)
    ids, log_probs = [], []
    while len(ids) < tokens:
        row = log_softmax(np.array(model.scores[model.n_tokens - 1]))
        ids.append(int(row.argmax()))
        log_probs.append(float(row.max()))
        if ids[-1] in ends:
            break
        model.eval(ids[-1:])
    return {"ids": ids, "log_probs": log_probs}


def main():
    # llama.cpp writes to stdout at times; that is ours alone.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    order = json.load(sys.stdin)
    longest = max(len(prompt) for prompt in order["prompts"]) + order["tokens"]
    result = {}
    for kind, adapter in (("base", None), ("adapter", order["adapter"])):
        # A cache in f32: the usual one, in f16, costs three digits.
        model = llama_cpp.Llama(model_path=order["base"], lora_path=adapter, n_ctx=longest, n_batch=longest, n_threads=2,
                                n_gpu_layers=0, logits_all=True, verbose=False, type_k=llama_cpp.GGML_TYPE_F32,
                                type_v=llama_cpp.GGML_TYPE_F32)
        result[kind] = [decode(model, prompt, order["ends"], order["tokens"]) for prompt in order["prompts"]]
        model.close()
    json.dump(result, out)


if __name__ == "__main__":
    main()
