#!/usr/bin/env python3
"""Writes Hugging Face model directories with random weights for the benchmarks: the Qwen2.5-0.5B shape and a tiny one.

Weights are seeded normals of Qwen2's own initialisation (std 0.02; norms near 1, biases near 0), bf16, one file of
safetensors. The tokenizer is a byte-level BPE with the 256 bytes, a few merges and the chat marks; the ids above it exist
only as rows of the embedding, which is all that a benchmark needs: it hands over ids, not text.

    python tools/bench/make_models.py [OUT_DIR (default target/bench-models)] [qwen05b|tiny ...]
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

SEED = 20250607
ROOT = pathlib.Path(__file__).resolve().parents[2]
SHAPES = {
    # The shape of Qwen/Qwen2.5-0.5B, from its public config.json.
    "qwen05b": dict(vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
                    num_attention_heads=14, num_key_value_heads=2, max_position_embeddings=32768),
    # About the embedded model: small enough that per-call overheads show.
    "tiny": dict(vocab_size=2048, hidden_size=256, intermediate_size=768, num_hidden_layers=6,
                 num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=2048),
}
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def byte_alphabet():
    """GPT-2's printable stand-in for each byte value, in byte order (Radford et al. 2019, `bytes_to_unicode`)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    stand_in = {b: chr(b) for b in printable}
    for extra, b in enumerate(b for b in range(256) if b not in stand_in):
        stand_in[b] = chr(256 + extra)
    return [stand_in[b] for b in range(256)]


def write_tokenizer(folder):
    """tokenizer.json, tokenizer_config.json and generation_config.json of a byte-level BPE with chat marks."""
    vocab = {piece: i for i, piece in enumerate(byte_alphabet())}
    merges = []
    for a, b in [("Ġ", "t"), ("h", "e"), ("i", "n"), ("Ġt", "he"), ("Ġ", "a"), ("in", "g")]:
        vocab[a + b] = len(vocab)
        merges.append([a, b])
    added = [
        {"id": len(vocab) + i, "content": mark, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for i, mark in enumerate(SPECIAL)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": merges},
    }
    ids = {mark["content"]: mark["id"] for mark in added}
    write_json(folder / "tokenizer.json", tokenizer)
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None,
        "unk_token": None, "add_prefix_space": False, "model_max_length": 2048, "chat_template": CHAT_TEMPLATE})
    write_json(folder / "generation_config.json", {"eos_token_id": ids["<|im_end|>"], "pad_token_id": ids["<|endoftext|>"]})
    return ids


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def weights(shape, generator):
    """Name -> bf16 tensor, the names and (out, in) shapes of `Qwen2ForCausalLM` with tied embeddings."""
    def normal(*size, mean=0.0, std=0.02):
        return (torch.randn(*size, generator=generator) * std + mean).to(torch.bfloat16)

    d, ff = shape["hidden_size"], shape["intermediate_size"]
    kv = d // shape["num_attention_heads"] * shape["num_key_value_heads"]
    out = {"model.embed_tokens.weight": normal(shape["vocab_size"], d), "model.norm.weight": normal(d, mean=1.0)}
    for layer in range(shape["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        for name, rows in [("q", d), ("k", kv), ("v", kv)]:
            out[f"{p}self_attn.{name}_proj.weight"] = normal(rows, d)
            out[f"{p}self_attn.{name}_proj.bias"] = normal(rows)
        out[p + "self_attn.o_proj.weight"] = normal(d, d)
        out[p + "mlp.gate_proj.weight"] = normal(ff, d)
        out[p + "mlp.up_proj.weight"] = normal(ff, d)
        out[p + "mlp.down_proj.weight"] = normal(d, ff)
        out[p + "input_layernorm.weight"] = normal(d, mean=1.0)
        out[p + "post_attention_layernorm.weight"] = normal(d, mean=1.0)
    return out


def make(folder, shape):
    """Writes one model directory; the weights come last, so that a folder with weights is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = write_tokenizer(folder)
    write_json(folder / "config.json", {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", **shape, "hidden_act": "silu", "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0, "tie_word_embeddings": True, "use_sliding_window": False, "attention_dropout": 0.0,
        "initializer_range": 0.02, "torch_dtype": "bfloat16", "use_cache": True, "eos_token_id": ids["<|im_end|>"]})
    staged = folder / "model.safetensors.part"
    save_file(weights(shape, torch.Generator().manual_seed(SEED)), staged, metadata={"format": "pt"})
    staged.rename(folder / "model.safetensors")
    print(f"{folder}: {(folder / 'model.safetensors').stat().st_size / 2**20:.0f} MiB")


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/bench-models"
    for name in sys.argv[2:] or SHAPES:
        make(out / name, SHAPES[name])


if __name__ == "__main__":
    main()
