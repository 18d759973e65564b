"""What is measured: each suite is a unit of work and the contestants that do it (protocol in README.md)."""
import json
import pathlib
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[2]
RAGGED = ROOT / "benches/data/ragged_lengths.json"
# glibc gives large freed blocks back to the kernel and faults them in again at the next step. These two settings keep
# them: the 8 x 64 step then takes 3.95 s of CPU time instead of 5.05 s. Few users set them, so torch appears with and
# without ("tuned").
KEEP_PAGES = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "68719476736"}


@dataclass
class Contestant:
    """One child process."""

    name: str
    argv: list
    env: dict = field(default_factory=dict)
    precision: str = "bf16"  # which measured peak it is held against


@dataclass
class Suite:
    """Contestants that do the same units; the first is the one the others are divided by."""

    title: str
    model: str
    contestants: list
    work: dict  # flags that every contestant shares, and what the share of the peak is computed from


def shape(models, name):
    """The model's config.json."""
    return json.loads((models / name / "config.json").read_text())


def parameters(config, targets):
    """(weights of the frozen linears, weights of the head, adapter weights per unit of rank)."""
    d, ff, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    kv = d // config["num_attention_heads"] * config["num_key_value_heads"]
    linears = {"q": (d, d), "k": (d, kv), "v": (d, kv), "o": (d, d), "gate": (d, ff), "up": (d, ff), "down": (ff, d)}
    frozen = layers * sum(i * o for i, o in linears.values())
    return frozen, d * config["vocab_size"], layers * sum(i + o for n, (i, o) in linears.items() if n in targets)


def work_per_token(config, workload, batch):
    """(floating-point operations, bytes read in bf16) that one real token needs at least; attention left out.

    Training: 2 for the forward, 2 for the gradient of the activations, and 6 a weight of the adapter; the frozen
    weights get no gradient. Decoding reads every weight once a step, shared by the batch's rows.
    """
    all_linear = ("q", "k", "v", "o", "gate", "up", "down")
    rank, targets = (32, ("q", "v")) if workload == "seal-recipe" else (16, all_linear)
    frozen, head, adapter = parameters(config, targets)
    if workload == "decode":
        return 2 * (frozen + head), 2 * (frozen + head) / batch
    return 4 * (frozen + head) + 6 * rank * adapter, 0


def build(name, programs, models, threads):
    """The suite of that name, with command lines for `threads` threads. Contestants without a program are left out."""
    tiny = name.startswith("tiny-")
    model = "tiny" if tiny else "qwen05b"
    kind = name.removeprefix("tiny-")
    common = ["--threads", str(threads)]

    def contestant(program, label, workload, precision, *flags):
        if programs.get(program) is None:
            return None
        path = models / model / "model-bf16.gguf" if program == "llama" else models / model
        argv = [*programs[program], workload, "--model", str(path), *common]
        if program != "llama":
            argv += ["--precision", precision]
        peak = "f32" if precision == "f32" else "bf16"
        return Contestant(label, argv + list(flags), KEEP_PAGES if "tuned" in label else {}, peak)

    repeat = ["--steps-per-unit", "8"] if tiny and kind.startswith("lora") else []
    rows = ["--rows", str(RAGGED) if "ragged" in kind or kind == "seal" else "8x64", *repeat]

    def lora(program, label, precision, *flags):
        return contestant(program, label, "lora-step", precision, *rows, *flags)

    def decode(program, label, precision):
        return contestant(program, label, "decode", precision, "--batch", kind.rsplit("-", 1)[1], "--prompt", "32", "--new", "64")

    if kind in ("lora-equal", "lora-ragged"):
        title = "LoRA step, 8 x 64 tokens" if kind == "lora-equal" else "LoRA step, rows of real self-edits"
        entries = [lora("ours", "ours bf16", "bf16"), lora("torch", "torch+peft bf16 autocast", "autocast"),
                   lora("torch", "torch+peft tuned (bf16 weights, autocast, pages kept)", "bf16-autocast")]
        if kind == "lora-ragged":
            entries.append(lora("torch", "torch+peft tuned, rows sorted", "bf16-autocast", "--sort-rows"))
        workload = "lora-step"
    elif kind in ("lora-equal-f32", "lora-ragged-f32"):
        title = "LoRA step against f32, " + ("8 x 64 tokens" if "equal" in kind else "rows of real self-edits")
        entries = [lora("ours", "ours bf16", "bf16"), lora("ours", "ours f32", "f32"), lora("torch", "torch+peft f32", "f32"),
                   lora("torch", "torch+peft f32 tuned (pages kept)", "f32")]
        workload = "lora-step"
    elif kind == "seal":
        title, workload = "One self-edit, SEAL's recipe (10 epochs, q and v, r 32)", "seal-recipe"
        entries = [contestant("ours", "ours bf16", workload, "bf16", *rows),
                   # One torch only, with the weights in bf16 and pages given back: a step peaks at 8.6 GiB.
                   contestant("torch", "torch+peft bf16 weights + autocast, padded to 2048", workload, "bf16-autocast", *rows)]
    elif kind in ("decode-1", "decode-16"):
        title, workload = f"Greedy decoding, batch {kind.rsplit('-', 1)[1]}", "decode"
        entries = [decode("ours", "ours bf16", "bf16"), decode("torch", "torch bf16", "bf16"),
                   decode("llama", "llama.cpp bf16", "bf16")]
    else:
        raise SystemExit(f"no suite named {name!r}; known: {', '.join(NAMES)}")
    batch = int(kind.rsplit("-", 1)[1]) if workload == "decode" else 1
    flops, read = work_per_token(shape(models, model), workload, batch)
    return Suite(title, model, [e for e in entries if e], {"workload": workload, "flops_per_token": flops, "bytes_per_token": read})


BASE = ["lora-equal", "lora-ragged", "lora-equal-f32", "lora-ragged-f32", "seal", "decode-1", "decode-16"]
NAMES = BASE + ["tiny-lora-equal", "tiny-lora-ragged", "tiny-decode-1", "tiny-decode-16"]
