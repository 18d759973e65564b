"""Real PEFT beside seald's adapter files: makes the fixtures, and loads what seald saved.

    peft_roundtrip.py fixtures tests/golden/peft   # adapters as PEFT saves them, with what they compute
    peft_roundtrip.py model DIR                    # the tiny base model of the fixtures
    peft_roundtrip.py logits MODEL ADAPTER --ids 1,2,3 --out logits.safetensors
    peft_roundtrip.py same MODEL ADAPTER_A ADAPTER_B   # both load cleanly and give the same logits

Made with torch 2.15, transformers 5.23, peft 0.21.2; seed 0. Runs on the CPU, needs no network.
"""

import argparse
import json
import pathlib
import shutil
import warnings

import torch
from peft import LoraConfig, PeftConfig, get_peft_model
from peft.utils import load_peft_weights, set_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

SEED = 0

# name -> (arguments of LoraConfig, dtype of the saved tensors)
FIXTURES = {
    "plain": (dict(r=4, lora_alpha=8, lora_dropout=0.05, target_modules=["q_proj", "v_proj"]), torch.float32),
    "rslora": (dict(r=4, lora_alpha=8, use_rslora=True, target_modules=["o_proj", "down_proj"]), torch.float32),
    "patterns": (
        dict(
            r=4,
            lora_alpha=8,
            target_modules="all-linear",
            rank_pattern={"q_proj": 2, r"layers\.1\.mlp\..*": 3, "^v_proj": 1},
            alpha_pattern={"0.self_attn.k_proj": 5, "down_proj": 1.5},
        ),
        torch.float32,
    ),
    "regex": (
        dict(r=3, lora_alpha=6, target_modules=r"model\.layers\.\d+\.(?!self_attn\.[qk])(self_attn|mlp)\.[a-z]+_proj"),
        torch.float16,
    ),
    "half": (dict(r=4, lora_alpha=8, target_modules=["gate_proj", "up_proj"]), torch.bfloat16),
    "layers": (
        dict(r=2, lora_alpha=2, target_modules=["q_proj", "up_proj"], layers_to_transform=[1], exclude_modules=["mlp.up_proj"]),
        torch.float32,
    ),
    # Refused by seald:
    "dora": (dict(r=2, use_dora=True, target_modules=["q_proj"]), torch.float32),
    "modules_to_save": (dict(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"]), torch.float32),
}


def tiny_model():
    torch.manual_seed(SEED)
    config = Qwen2Config(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=False, initializer_range=0.2,
    )
    return Qwen2ForCausalLM(config).eval()


def probe(width):
    """An input every layer is fed with: x[i] = ((i mod 7) - 3) / 4."""
    return ((torch.arange(width, dtype=torch.float64) % 7) - 3) / 4


def make_fixture(name, out):
    arguments, dtype = FIXTURES[name]
    base = tiny_model().to(dtype)
    config = LoraConfig(task_type="CAUSAL_LM", **arguments)
    model = get_peft_model(base, config, autocast_adapter_dtype=False)
    torch.manual_seed(SEED + 1)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "lora_B" in parameter_name:
                parameter.normal_(0, 0.1)
    shutil.rmtree(out, ignore_errors=True)
    model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)

    # What the adapter adds to each layer, fed with the probe, and with what scale.
    scales, updates = {}, {}
    for module_name, module in model.named_modules():
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            a = module.lora_A["default"].weight.double()
            b = module.lora_B["default"].weight.double()
            key = module_name.removeprefix("base_model.model.")
            scales[key] = module.scaling["default"]
            updates[key] = (module.scaling["default"] * (b @ (a @ probe(a.shape[1])))).detach().tolist()
    expected = {"scales": scales, "updates": updates, "made_by": "tools/golden/peft_roundtrip.py", "seed": SEED}
    (out / "expected.json").write_text(json.dumps(expected, sort_keys=True) + "\n")


def load(model_dir, adapter_dir):
    """The base with the adapter; raises where a key is missing or unexpected."""
    base = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PEFT warns of configuration keys it does not know
        config = PeftConfig.from_pretrained(adapter_dir)
    model = get_peft_model(base, config)
    result = set_peft_model_state_dict(model, load_peft_weights(adapter_dir, device="cpu"))
    missing = [key for key in result.missing_keys if "lora_" in key]
    if missing or result.unexpected_keys:
        raise SystemExit(f"{adapter_dir}: missing {missing}, unexpected {result.unexpected_keys}")
    return model.eval()


def logits(model_dir, adapter_dir, ids):
    with torch.no_grad():
        return load(model_dir, adapter_dir)(input_ids=torch.tensor([ids])).logits[0].float()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)
    modes.add_parser("fixtures").add_argument("out", type=pathlib.Path)
    modes.add_parser("model").add_argument("out", type=pathlib.Path)
    for name in ("logits", "same"):
        mode = modes.add_parser(name)
        mode.add_argument("model", type=pathlib.Path)
        mode.add_argument("adapters", type=pathlib.Path, nargs=1 if name == "logits" else 2)
        mode.add_argument("--ids", default="1,5,9,2,63,0,17")
        if name == "logits":
            mode.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    if arguments.mode == "fixtures":
        for name in FIXTURES:
            make_fixture(name, arguments.out / name)
    elif arguments.mode == "model":
        tiny_model().save_pretrained(arguments.out)
    else:
        ids = [int(part) for part in arguments.ids.split(",")]
        results = [logits(arguments.model, adapter, ids) for adapter in arguments.adapters]
        if arguments.mode == "logits":
            save_file({"logits": results[0].contiguous()}, arguments.out)
            print(json.dumps({"shape": list(results[0].shape), "sum": results[0].sum().item()}))
        else:
            base = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
            with torch.no_grad():
                plain = base(input_ids=torch.tensor([ids])).logits[0].float()
            difference = (results[0] - results[1]).abs().max().item()
            effect = (results[0] - plain).abs().max().item()
            print(json.dumps({"max_difference": difference, "effect": effect}))
            if difference != 0.0 or effect == 0.0:
                raise SystemExit("the adapters differ, or do nothing")


if __name__ == "__main__":
    main()
