"""Configurations as transformers writes them, with the names and shapes of the tensors they lead to.

    model_configs.py tests/golden/configs

Made with transformers 5.23 on the meta device: no weights, no network.
"""

import json
import pathlib
import sys

import torch
from transformers import (
    AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config,
)

COMMON = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)
LLAMA3 = dict(
    rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=64,
)
CONFIGS = {
    "qwen2": Qwen2Config(**COMMON, num_key_value_heads=2, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
    "qwen3": Qwen3Config(**COMMON, num_key_value_heads=2, head_dim=16, tie_word_embeddings=False),
    "qwen3_bias": Qwen3Config(**COMMON, num_key_value_heads=1, attention_bias=True),
    "llama": LlamaConfig(**COMMON),
    "llama3": LlamaConfig(**COMMON, num_key_value_heads=2, head_dim=8, rope_parameters=LLAMA3, tie_word_embeddings=True),
    "llama_bias": LlamaConfig(**COMMON, attention_bias=True, mlp_bias=True, head_dim=16),
}

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
for name, config in CONFIGS.items():
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    config.architectures = [type(model).__name__]
    written = json.loads(config.to_json_string())
    shapes = {key: list(value.shape) for key, value in model.named_parameters()}
    golden = {
        "config": written,
        "shapes": shapes,
        "parameters": sum(value.numel() for value in model.parameters()),
        "rope_theta": config.rope_parameters["rope_theta"],
        "rope_type": config.rope_parameters["rope_type"],
        "linear": [key for key, module in model.named_modules() if isinstance(module, torch.nn.Linear) and key != "lm_head"],
    }
    (out / f"{name}.json").write_text(json.dumps(golden, indent=1) + "\n")
