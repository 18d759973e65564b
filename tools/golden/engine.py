"""Makes tests/golden/engine: tiny random decoders, a PEFT adapter for each, and what PyTorch computes with them.

    python tools/golden/engine.py            # make everything again
    python tools/golden/engine.py --check    # make it in a temporary folder, compare with what is committed

See README.md beside this file for what every file and array is.
"""

import argparse
import contextlib
import json
import math
import re
import sys
import tempfile
from pathlib import Path

import peft
import torch
import torch.nn.functional as F
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

ROOT = Path(__file__).resolve().parents[2]
HOME = "tests/golden/engine"

SHAPE = dict(
    vocab_size=160, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-6,
    bos_token_id=None, eos_token_id=None, pad_token_id=None,
)  # fmt: skip
# original_max 32 and theta 1000 put frequency 0 above the band that llama3 scaling blends, 1 inside it and 2..5 below it.
LLAMA3 = dict(
    rope_type="llama3", rope_theta=1000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=32,
)  # fmt: skip
MODELS = {
    "qwen2": (Qwen2Config, dict(tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=1e6))),
    "qwen2_untied": (Qwen2Config, dict(tie_word_embeddings=False, rope_parameters=dict(rope_type="default", rope_theta=1e4))),
    "qwen3": (Qwen3Config, dict(tie_word_embeddings=True, head_dim=16, rope_parameters=dict(rope_type="default", rope_theta=1e6))),
    "llama": (LlamaConfig, dict(tie_word_embeddings=False, rope_parameters=LLAMA3)),
    "llama_bias": (
        LlamaConfig,
        dict(tie_word_embeddings=True, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-5,
             rope_parameters=dict(rope_type="default", rope_theta=1e4)),
    ),
}  # fmt: skip
# The first seeds whose greedy decodings have no near ties (`sanity` wants a gap of 0.01 logits) and do not just repeat a token,
# and whose training is well conditioned.
SEEDS = {"qwen2": 4, "qwen2_untied": 33, "qwen3": 18, "llama": 10, "llama_bias": 25}

ROW_LENGTHS = (5, 17, 9, 33)
# Half-open spans of training targets: whole text, completion, whole text, two turns of a conversation.
ROW_TARGETS = (((1, 5),), ((8, 17),), ((1, 9),), ((11, 19), (25, 33)))
ROW_WEIGHTS = (1.0, 0.5, 2.0, 0.25)
PROMPT_TOKENS, NEW_TOKENS, TOP_K = 7, 24, 8
TRAIN = dict(
    steps=10, learning_rate=5e-3, warmup_steps=2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, max_grad_norm=1.0
)
# Where the norms cross the limit during the run, so that clipping is seen both on and off.
MAX_GRAD_NORM = {"llama": 2.0}

ARRAYS = {
    "row{i}.ids": "(T) i64, token ids of row i",
    "row{i}.mask": "(T) u8, mask[t] = 1: token t is a training target, predicted from position t-1; mask[0] = 0",
    "row{i}.base_logits": "(T, V) f32, without the adapter; each row alone, no padding",
    "row{i}.lora_logits": "(T, V) f32, with the adapter, scale alpha / r",
    "row{i}.rslora_logits": "(T, V) f32, with the adapter read as use_rslora: scale alpha / sqrt(r)",
    "row1.bf16_base_logits": "(T, V) f32, as base_logits under torch.autocast('cpu', bfloat16)",
    "row1.bf16_lora_logits": "(T, V) f32, as lora_logits under torch.autocast('cpu', bfloat16)",
    "grad.{name}": "gradient of `loss` at the saved adapter, by PEFT's parameter name",
    "wgrad.{name}": "gradient of `weighted_loss`",
    "sgrad.{name}": "gradient of `soft_loss`",
    "final.{name}": "the LoRA matrix after the ten steps of `train`",
    "soft.row{i}.ids": "(targets, 8) i64, the base model's most probable tokens at each target, best first",
    "soft.row{i}.log_probs": "(targets, 8) f32, their natural log-probabilities under the base model",
    "soft.row{i}.log_rest": "(targets) f32, log of the base model's probability of all other tokens",
    "gen.prompt": "(7) i64",
    "gen.base_ids": "(24) i64, greedy continuation with a KV cache, without the adapter",
    "gen.base_log_probs": "(24) f32, natural log-probability of each generated token",
    "gen.lora_ids": "(24) i64, as base_ids with the adapter",
    "gen.lora_log_probs": "(24) f32",
}


def set_up():
    """Pins the versions, and everything that could make two runs differ."""
    for module, wanted in ((torch, "2.15."), (transformers, "5.23."), (peft, "0.21.2")):
        found = module.__version__
        remedy = f"pip install -r {Path(__file__).with_name('requirements.txt')}"
        assert found.startswith(wanted), f"{module.__name__} is {found}, needed is {wanted}*: {remedy}"
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def randn(shape, std, generator):
    return torch.randn(shape, generator=generator) * std


def make_rows():
    """The four rows and the prompt, the same for all models: [(ids, mask)], prompt."""
    generator = torch.Generator().manual_seed(77)
    rows = []
    for length, spans in zip(ROW_LENGTHS, ROW_TARGETS, strict=True):
        mask = torch.zeros(length, dtype=torch.uint8)
        for start, end in spans:
            mask[start:end] = 1
        rows.append((torch.randint(0, SHAPE["vocab_size"], (length,), generator=generator), mask))
    return rows, torch.randint(0, SHAPE["vocab_size"], (PROMPT_TOKENS,), generator=generator)


def make_model(name, folder):
    """Writes the base model, the same configuration in the older spelling, and the adapter."""
    config_class, options = MODELS[name]
    generator = torch.Generator().manual_seed(SEEDS[name])
    config = config_class(**{**SHAPE, **options})
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.endswith("norm.weight"):
                parameter.copy_(1 + randn(parameter.shape, 0.1, generator))
            else:
                parameter.copy_(randn(parameter.shape, 0.1 if key.endswith("bias") else 0.15, generator))
    model.save_pretrained(folder)
    write_old_config(folder)

    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for key, parameter in lora_parameters(model).items():
            parameter.copy_(randn(parameter.shape, 0.1, generator))
    model.peft_config["default"].base_model_name_or_path = f"{HOME}/{name}"
    model.save_pretrained(folder / "adapter", save_embedding_layers=False)
    (folder / "adapter/README.md").unlink(missing_ok=True)  # PEFT's empty model card
    path = folder / "adapter/adapter_config.json"
    saved = json.loads(path.read_text())
    saved["target_modules"].sort()  # a set in PEFT: its order changes from run to run
    path.write_text(json.dumps(saved, indent=2, sort_keys=True) + "\n")


def write_old_config(folder):
    """config_v4.json: config.json as transformers 4 wrote it, which is what most published models have."""
    config = json.loads((folder / "config.json").read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.46.0"
    config.pop("layer_types", None)
    (folder / "config_v4.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(folder, adapter=None, **adapter_options):
    """The saved model in f32 with its adapter (none if `adapter` is None), ready to train."""
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    if adapter is not None:
        config = LoraConfig.from_pretrained(adapter)
        for key, value in adapter_options.items():
            setattr(config, key, value)
        model = PeftModel.from_pretrained(model, adapter, config=config, is_trainable=True)
    return model.eval()  # no dropout anywhere; gradients flow as in train()


def lora_parameters(model):
    """PEFT's name, without the adapter's name, to the parameter; in the order of the model."""
    return {k.replace(".default.", "."): p for k, p in model.named_parameters() if ".lora_" in k}


def logits_of(model, ids):
    return model(input_ids=ids[None], use_cache=False).logits[0].to(torch.get_default_dtype())


def target_log_probs(model, ids, mask):
    """Natural log-probability of each target token: (targets)."""
    log_probs = F.log_softmax(logits_of(model, ids), dim=-1)
    at = mask.nonzero()[:, 0]
    return log_probs[at - 1, ids[at]]


def target_count(rows):
    return sum(int(mask.sum()) for _, mask in rows)


def rows_loss(model, rows, weights=None):
    """sum_r w_r * sum CE(r) / number of targets: one sum over all rows, one division."""
    weights = weights or [1.0] * len(rows)
    total = sum(-w * target_log_probs(model, *row).sum() for w, row in zip(weights, rows, strict=True))
    return total / target_count(rows)


def soft_targets(model, rows):
    """The base model's top-k at each target: [(ids, log_probs, log_rest)]."""
    targets = []
    with torch.no_grad(), model.disable_adapter():
        for ids, mask in rows:
            log_probs = F.log_softmax(logits_of(model, ids), dim=-1)[mask.nonzero()[:, 0] - 1]
            top = log_probs.topk(TOP_K, dim=-1)
            rest = log_probs.scatter(-1, top.indices, -math.inf).logsumexp(-1)
            assert torch.allclose(rest.exp(), 1 - top.values.exp().sum(-1), atol=1e-6)
            targets.append((top.indices, top.values, rest))
    return targets


def soft_loss(model, rows, targets):
    """KL(base || adapted) with all tokens outside the top k as one bucket, summed over targets / number of targets."""
    total = 0.0
    for (ids, mask), (top, log_p, log_p_rest) in zip(rows, targets, strict=True):
        log_q = F.log_softmax(logits_of(model, ids), dim=-1)[mask.nonzero()[:, 0] - 1]
        log_q_rest = log_q.scatter(-1, top, -math.inf).logsumexp(-1)
        kl = (log_p.exp() * (log_p - log_q.gather(-1, top))).sum(-1)
        total = total + (kl + log_p_rest.exp() * (log_p_rest - log_q_rest)).sum()
    return total / target_count(rows)


def gradients(model, loss):
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {name: p.grad.clone() for name, p in lora_parameters(model).items()}


def learning_rates(steps, peak, warmup):
    """transformers' get_linear_schedule_with_warmup: 0 at the first step, the peak at step `warmup`, then down to 0."""
    return [peak * (s / max(1, warmup) if s < warmup else max(0, steps - s) / max(1, steps - warmup)) for s in range(steps)]


def train(model, batches, rates, options, autocast=False):
    """One AdamW step for each rate on batches[step % len(batches)], rows of (ids, mask): losses before the step, gradient norms before clipping."""
    parameters = list(lora_parameters(model).values())
    optimizer = torch.optim.AdamW(
        parameters, lr=0.0, betas=options["betas"], eps=options["eps"], weight_decay=options["weight_decay"]
    )
    losses, norms = [], []
    for step, rate in enumerate(rates):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = rows_loss(model, batches[step % len(batches)])
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, options["max_grad_norm"])))
        optimizer.step()
        losses.append(loss.item())
    return losses, norms


@torch.no_grad()
def greedy(model, prompt):
    """NEW_TOKENS greedy tokens one at a time with a KV cache: ids, log-probabilities, smallest gap of the best to the second logit."""
    cache, step, ids, log_probs, gap = None, prompt, [], [], math.inf
    for _ in range(NEW_TOKENS):
        out = model(input_ids=step[None], past_key_values=cache, use_cache=True)
        cache, logits = out.past_key_values, out.logits[0, -1]
        best = logits.topk(2)
        gap = min(gap, float(best.values[0] - best.values[1]))
        step = best.indices[:1]
        ids.append(step)
        log_probs.append(F.log_softmax(logits, dim=-1)[step])
    ids, log_probs = torch.cat(ids), torch.cat(log_probs)
    library = model.generate(input_ids=prompt[None], max_new_tokens=NEW_TOKENS, do_sample=False, use_cache=True)
    assert torch.equal(library[0, len(prompt) :], ids), "transformers' generate() gives other tokens"
    return ids, log_probs, gap


@contextlib.contextmanager
def double_precision():
    """Everything that asks for f32 by name gets f64, so that the norms and softmaxes of transformers do too."""
    names = ("float32", "float")
    saved = [getattr(torch, n) for n in names]
    saved_method = torch.Tensor.float
    for n in names:
        setattr(torch, n, torch.float64)
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        for n, value in zip(names, saved, strict=True):
            setattr(torch, n, value)
        torch.Tensor.float = saved_method
        torch.set_default_dtype(saved[0])


def train_options(name):
    return {**TRAIN, "max_grad_norm": MAX_GRAD_NORM.get(name, TRAIN["max_grad_norm"])}


def measure(name, folder, rows, double=False):
    """Logits, losses, gradients and the ten steps: what `double` repeats in f64."""
    precision = torch.float64 if double else torch.float32
    model = load(folder, folder / "adapter").to(precision)
    rslora = load(folder, folder / "adapter", use_rslora=True).to(precision)
    out, facts = {}, {}
    with double_precision() if double else contextlib.nullcontext():
        with torch.no_grad():
            for kind, context in (("base", model.disable_adapter), ("lora", contextlib.nullcontext)):
                with context():
                    out |= {f"row{i}.{kind}_logits": logits_of(model, ids) for i, (ids, _) in enumerate(rows)}
                    facts[f"{kind}_log_prob"] = [target_log_probs(model, *row).double().sum().item() for row in rows]
        losses = {"": rows_loss(model, rows)}
        if name == "qwen2":
            targets = soft_targets(model, rows)
            for i, arrays in enumerate(targets):
                out |= {f"soft.row{i}.{k}": a for k, a in zip(("ids", "log_probs", "log_rest"), arrays, strict=True)}
            losses |= {"w": rows_loss(model, rows, ROW_WEIGHTS), "s": soft_loss(model, rows, targets)}
            with torch.no_grad():
                out |= {f"row{i}.rslora_logits": logits_of(rslora, ids) for i, (ids, _) in enumerate(rows)}
        for prefix, loss in losses.items():
            facts[{"": "loss", "w": "weighted_loss", "s": "soft_loss"}[prefix]] = loss.item()
            out |= {f"{prefix}grad.{k}": g for k, g in gradients(model, loss).items()}
        rates = learning_rates(TRAIN["steps"], TRAIN["learning_rate"], TRAIN["warmup_steps"])
        facts["train_losses"], facts["train_grad_norms"] = train(model, [rows], rates, train_options(name))
        out |= {f"final.{k}": p.detach().clone() for k, p in lora_parameters(model).items()}
    return out, facts


def bf16_reference(name, folder, rows):
    model, out = load(folder, folder / "adapter"), {}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out["row1.bf16_lora_logits"] = logits_of(model, rows[1][0])
        with model.disable_adapter():
            out["row1.bf16_base_logits"] = logits_of(model, rows[1][0])
    exact = gradients(model, rows_loss(model, rows))
    with torch.autocast("cpu", torch.bfloat16):
        loss = rows_loss(model, rows)
    rounded = gradients(model, loss)
    errors = {key: float((rounded[key] - g).norm() / g.norm()) for key, g in exact.items()}
    rates = learning_rates(TRAIN["steps"], TRAIN["learning_rate"], TRAIN["warmup_steps"])
    losses, norms = train(model, [rows], rates, train_options(name), autocast=True)
    return out, {"losses": losses, "grad_norms": norms, "grad_errors": errors}


def noise(out, facts, exact, exact_facts):
    """Largest |f32 - f64| in each family of results: the scale on which a right f32 engine may differ."""
    families = {}
    for key, value in exact.items():
        if value.is_floating_point():
            family = re.sub(r"^(soft\.)?row\d+\.", r"\1", key).split(".base_model")[0]
            gap = (value - out[key].double()).abs().max().item()
            families[family] = max(gap, families.get(family, 0.0))
    for key, value in exact_facts.items():
        pairs = zip(value, facts[key], strict=True) if isinstance(value, list) else [(value, facts[key])]
        families[key] = max(abs(a - b) for a, b in pairs)
    return families


def sanity(name, folder, rows, out, facts, gaps):
    """Properties without which the files would not test what they claim to."""
    for prefix in ("grad.", "wgrad.", "sgrad.", "final."):
        keys = [k for k in out if k.startswith(prefix)]
        assert len(keys) == (42 if prefix in ("grad.", "final.") or name == "qwen2" else 0), (prefix, len(keys))
    for key, value in out.items():
        assert value.dtype == torch.uint8 or value.isfinite().all(), key
        if "grad." in key:
            assert (value != 0).all() and value.norm() > 1e-4, f"{key}: a zero gradient"
        if "logits" in key:
            assert value.std(dim=-1).min() > 0.3, f"{key}: flat"
    assert min(gaps) > 1e-2, f"a near tie in greedy decoding: {gaps}"
    for kind in ("base", "lora"):
        assert len(set(out[f"gen.{kind}_ids"].tolist())) >= 4, f"{name} {kind}: repeats itself"
    if name in MAX_GRAD_NORM:
        assert min(facts["train_grad_norms"]) < MAX_GRAD_NORM[name] < max(facts["train_grad_norms"])
    # An element whose gradient is all but zero moves by its sign's noise under Adam: such a seed would force a loose test.
    assert facts["f32_noise"]["final"] < 1e-5, f"{name}: final weights are ill-conditioned: {facts['f32_noise']}"
    assert facts["train_losses"][-1] < facts["train_losses"][0] - 0.1
    with tempfile.TemporaryDirectory() as other:  # the older spelling of the configuration means the same
        for source, target in (("config_v4.json", "config.json"), ("model.safetensors", "model.safetensors")):
            (Path(other) / target).write_bytes((folder / source).read_bytes())
        with torch.no_grad():
            assert torch.equal(logits_of(load(other), rows[3][0]), out["row3.base_logits"]), "config_v4.json differs"
            config = json.loads((folder / "config_v4.json").read_text())
            if config["rope_scaling"]:
                (Path(other) / "config.json").write_text(json.dumps({**config, "rope_scaling": None}))
                assert (logits_of(load(other), rows[3][0]) - out["row3.base_logits"]).abs().max() > 0.1


def make(name, folder):
    """One golden folder, from the files as saved."""
    make_model(name, folder)
    rows, prompt = make_rows()
    out, facts = measure(name, folder, rows)
    facts["f32_noise"] = noise(out, facts, *measure(name, folder, rows, double=True))
    bf16_arrays, facts["bf16_train"] = bf16_reference(name, folder, rows)
    out |= bf16_arrays | {"gen.prompt": prompt}
    for i, (ids, mask) in enumerate(rows):
        out |= {f"row{i}.ids": ids, f"row{i}.mask": mask}
    model, gaps = load(folder, folder / "adapter"), []
    for kind, context in (("base", model.disable_adapter), ("lora", contextlib.nullcontext)):
        with context():
            out[f"gen.{kind}_ids"], out[f"gen.{kind}_log_probs"], gap = greedy(model, prompt)
            gaps.append(gap)
    facts["gen_smallest_gap"] = dict(zip(("base", "lora"), gaps, strict=True))
    sanity(name, folder, rows, out, facts, gaps)

    facts["rows"] = [dict(tokens=len(i), targets=int(m.sum()), weight=w) for (i, m), w in zip(rows, ROW_WEIGHTS, strict=True)]
    facts["targets"] = target_count(rows)
    rates = learning_rates(TRAIN["steps"], TRAIN["learning_rate"], TRAIN["warmup_steps"])
    facts["train"] = {**train_options(name), "learning_rates": rates, "schedule": "linear, as get_linear_schedule_with_warmup"}
    facts["made_with"] = dict(script="tools/golden/engine.py", seed=SEEDS[name], torch=torch.__version__.split("+")[0],
                              transformers=transformers.__version__, peft=peft.__version__)  # fmt: skip
    patterns = {p: re.escape(p).replace(r"\{i\}", r"\d+").replace(r"\{name\}", ".*") + "$" for p in ARRAYS}
    used = {k: [p for p, regex in patterns.items() if re.match(regex, k)] for k in out}
    assert all(used.values()), [k for k, p in used.items() if not p]
    present = {p for matched in used.values() for p in matched}
    facts["arrays"] = {p: text for p, text in ARRAYS.items() if p in present}
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "golden.safetensors")
    (folder / "golden.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    assert size < 700_000, f"{folder} has {size} bytes"
    print(f"{name}: {size // 1024} KiB, loss {facts['train_losses'][0]:.4f} -> {facts['train_losses'][-1]:.4f}")


def compare(made, kept):
    """Byte by byte; where golden.safetensors differs (another CPU: other kernels), by at most 1e-4. True if it passes."""
    good = True
    for path in sorted(p for p in made.rglob("*") if p.is_file()):
        twin = kept / path.relative_to(made)
        same = twin.is_file() and path.read_bytes() == twin.read_bytes()
        if not same and path.name == "golden.safetensors" and twin.is_file():
            a, b = load_file(path), load_file(twin)
            gap = max((a[k].double() - b[k].double()).abs().max().item() for k in a) if a.keys() == b.keys() else math.inf
            print(f"{twin}: not the same bytes, largest difference {gap:.2e}")
            good &= gap <= 1e-4
        elif not same and path.name == "golden.json" and twin.is_file():
            print(f"{twin}: not the same bytes (look at the difference)")
        elif not same:
            print(f"{twin}: differs or is missing")
            good = False
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files instead of writing them")
    parser.add_argument("--only", choices=MODELS, help="this model only")
    args = parser.parse_args()
    set_up()
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) if args.check else ROOT / HOME
        good = True
        for name in [args.only] if args.only else MODELS:
            make(name, target / name)
            good &= not args.check or compare(target / name, ROOT / HOME / name)
    if args.check:
        print("same as committed" if good else "NOT the same")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
