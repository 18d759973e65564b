#!/usr/bin/env python3
"""Converts a Qwen2 model directory (bf16 safetensors, tied embeddings) to GGUF in bf16, bit for bit, for llama.cpp.

Matrices stay bf16; vectors (norms, biases) become f32, as llama.cpp's own converter does. Needs `gguf` and numpy.

    /opt/venv-llama/bin/python tools/bench/to_gguf.py MODEL_DIR [OUT.gguf (default MODEL_DIR/model-bf16.gguf)]
"""
import json
import pathlib
import struct
import sys

import gguf
import numpy as np

LAYER_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name):
    """llama.cpp's name of a Hugging Face Qwen2 tensor."""
    fixed = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in fixed:
        return fixed[name]
    layer, rest = name.removeprefix("model.layers.").split(".", 1)
    module, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{LAYER_NAMES[module]}.{kind}"


def tensors(path):
    """Yields (name, shape, bf16 bits as u16) of a safetensors file, mapped."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    (length,) = struct.unpack("<Q", bytes(data[:8]))
    for name, info in json.loads(bytes(data[8 : 8 + length])).items():
        if name == "__metadata__":
            continue
        if info["dtype"] != "BF16":
            sys.exit(f"{path}: tensor {name} is {info['dtype']}; only BF16 is converted")
        start, end = (8 + length + offset for offset in info["data_offsets"])
        yield name, info["shape"], data[start:end].view(np.uint16)


def add_tokenizer(writer, folder, vocab_size):
    """GPT-2-style tokens and merges; ids that the tokenizer does not name are marked unused."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokens = [f"[PAD{i}]" for i in range(vocab_size)]
    types = [gguf.TokenType.UNUSED] * vocab_size
    for token, i in tokenizer["model"]["vocab"].items():
        tokens[i], types[i] = token, gguf.TokenType.NORMAL
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]], types[added["id"]] = added["content"], gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(json.loads((folder / "generation_config.json").read_text())["eos_token_id"])
    writer.add_add_bos_token(False)


def main():
    folder = pathlib.Path(sys.argv[1])
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else folder / "model-bf16.gguf"
    config = json.loads((folder / "config.json").read_text())
    if config["model_type"] != "qwen2" or not config["tie_word_embeddings"]:
        sys.exit(f"{folder}/config.json: only qwen2 with tied embeddings is converted")
    staged = out.with_suffix(".part")
    writer = gguf.GGUFWriter(staged, "qwen2")
    writer.add_name(folder.name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    add_tokenizer(writer, folder, config["vocab_size"])
    for name, shape, bits in tensors(folder / "model.safetensors"):
        if len(shape) == 1:
            writer.add_tensor(gguf_name(name), (bits.astype(np.uint32) << 16).view(np.float32))
        else:
            raw = bits.view(np.uint8).reshape(shape[0], 2 * shape[1])
            writer.add_tensor(gguf_name(name), raw, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    staged.rename(out)
    print(f"{out}: {out.stat().st_size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
