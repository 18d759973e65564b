#!/usr/bin/env python3
"""Converts a Qwen2 or Qwen3 model directory (bf16 safetensors, tied embeddings) to GGUF in bf16, bit for bit, for llama.cpp.

Matrices stay bf16; vectors (norms, biases) become f32, as llama.cpp's own converter does. Needs `gguf` and numpy.

    /opt/venv-llama/bin/python tools/bench/to_gguf.py MODEL_DIR [OUT.gguf (default MODEL_DIR/model-bf16.gguf)]

llama.cpp cuts text by rules it knows by name. Where the model's are not among them (models/nano/weights), the file says
qwen2, which is not right for text, and the program says so: hand token ids to llama.cpp then.
"""
import json
import pathlib
import struct
import sys

import gguf
import numpy as np

LAYER_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
# The expression by which Qwen2's and Qwen3's tokenizer.json cut text, llama.cpp's "qwen2".
QWEN2_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
               r"|\s+(?!\S)|\s+")


def gguf_name(name):
    """llama.cpp's name of a Hugging Face Qwen2 or Qwen3 tensor."""
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


def pre_tokenizer(folder, tokenizer):
    """llama.cpp's name of how text is cut before the merges."""
    steps = tokenizer["pre_tokenizer"].get("pretokenizers", [tokenizer["pre_tokenizer"]])
    if len(steps) == 1 and steps[0]["type"] == "ByteLevel" and steps[0]["use_regex"]:
        return "gpt-2"
    if steps[0].get("pattern") != {"Regex": QWEN2_SPLIT}:
        print(f"{folder}: llama.cpp does not know how this tokenizer cuts text; hand it token ids, not text", file=sys.stderr)
    return "qwen2"


def add_chat_template(writer, folder):
    """The template of tokenizer_config.json or of its own file, if there is one."""
    template = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
    if (folder / "chat_template.jinja").exists():
        template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    if template:
        writer.add_chat_template(template)


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
    writer.add_tokenizer_pre(pre_tokenizer(folder, tokenizer))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    # One id fits in; llama.cpp takes <|im_end|> and <|endoftext|> for ends by their names too.
    writer.add_eos_token_id(ends[0] if isinstance(ends, list) else ends)
    writer.add_add_bos_token(False)


def main():
    folder = pathlib.Path(sys.argv[1])
    out = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else folder / "model-bf16.gguf"
    config = json.loads((folder / "config.json").read_text())
    family = config["model_type"]
    if family not in ("qwen2", "qwen3") or not config["tie_word_embeddings"]:
        sys.exit(f"{folder}/config.json: only qwen2 and qwen3 with tied embeddings are converted")
    staged = out.with_suffix(".part")
    writer = gguf.GGUFWriter(staged, family)
    writer.add_name(folder.name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    if "head_dim" in config:
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    add_tokenizer(writer, folder, config["vocab_size"])
    add_chat_template(writer, folder)
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
