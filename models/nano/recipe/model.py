"""The decoder: Qwen3's layout (RMSNorm on q and k heads, rotary positions, SwiGLU, tied embeddings). Its parameters bear the names of
Hugging Face checkpoints, so that saving needs no renaming."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

EPSILON = 1e-6


@dataclass(frozen=True)
class Shape:
    """Sizes of the decoder; by default those of the published weights."""

    vocab_size: int = 2048
    hidden: int = 192
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 48
    feed_forward: int = 512
    theta: float = 10000.0
    positions: int = 512


class Norm(nn.Module):
    """y = x / rms(x) * weight"""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), EPSILON)


class Attention(nn.Module):
    """Grouped-query attention with normed heads."""

    def __init__(self, s: Shape):
        super().__init__()
        self.s = s
        self.q_proj = nn.Linear(s.hidden, s.heads * s.head_dim, bias=False)
        self.k_proj = nn.Linear(s.hidden, s.kv_heads * s.head_dim, bias=False)
        self.v_proj = nn.Linear(s.hidden, s.kv_heads * s.head_dim, bias=False)
        self.o_proj = nn.Linear(s.heads * s.head_dim, s.hidden, bias=False)
        self.q_norm, self.k_norm = Norm(s.head_dim), Norm(s.head_dim)

    def project(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (b, t, h, d)."""
        s, (batch, length, _) = self.s, x.shape
        q = turn(self.q_norm(self.q_proj(x).view(batch, length, s.heads, s.head_dim)), rotary)
        k = turn(self.k_norm(self.k_proj(x).view(batch, length, s.kv_heads, s.head_dim)), rotary)
        return q, k, self.v_proj(x).view(batch, length, s.kv_heads, s.head_dim)


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q k' / sqrt(d) + bias) v on (b, t, h, d); `bias` (b or 1, 1, t, keys) is 0 or minus infinity. On a CPU in bf16 this is
    twice as fast as PyTorch's fused kernel for rows of up to 512 tokens."""
    (batch, length, heads, width), groups = q.shape, k.shape[2]
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    q = (q * width**-0.5).reshape(batch, groups, heads // groups, length, width)
    scores = q @ k[:, :, None].mT + bias[:, :, None]  # (b, groups, heads / groups, t, keys)
    y = scores.softmax(-1).to(v.dtype) @ v[:, :, None]
    return y.reshape(batch, heads, length, width).transpose(1, 2)


def blocked(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The bias of a mask that is true where a query may look."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)


class Rows:
    """Attention within samples that lie end to end in rows of several lengths (x is (1, tokens, ...))."""

    def __init__(self, rows: list[tuple[int, int]], segment: Tensor, dtype: torch.dtype, attend=attention):
        self.attend, self.parts = attend, []
        start = 0
        for count, length in rows:
            own = segment[start:start + count * length].view(count, length)
            past = torch.ones(length, length, dtype=torch.bool, device=segment.device).tril()
            bias = blocked(((own[:, :, None] == own[:, None]) & past)[:, None], dtype)
            self.parts.append((start, count, length, bias))
            start += count * length

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out = []
        for start, count, length, bias in self.parts:
            q1, k1, v1 = (t[0, start:start + count * length].unflatten(0, (count, length)) for t in (q, k, v))
            out.append(self.attend(q1, k1, v1, bias).reshape(count * length, -1))
        return torch.cat(out)[None]


class Cached:
    """Causal attention over what came before in the same row; keeps keys and values of every layer, called layer by layer."""

    def __init__(self, layers: int, keep: Tensor | None = None):
        self.layers, self.keep = layers, keep
        self.kept: list[tuple[Tensor, Tensor]] = []
        self.turn = 0

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        layer, self.turn = self.turn % self.layers, self.turn + 1
        if layer < len(self.kept):
            k, v = (torch.cat([old, new], 1) for old, new in zip(self.kept[layer], (k, v), strict=True))
            self.kept[layer] = (k, v)
        else:
            self.kept.append((k, v))
        queries, keys = q.shape[1], k.shape[1]
        mask = torch.ones(queries, keys, dtype=torch.bool, device=q.device).tril(keys - queries)[None, None]
        if self.keep is not None:  # (b, keys): false where a row is padding
            mask = mask & self.keep[:, None, None, :keys]
        return attention(q, k, v, blocked(mask, q.dtype))


def turn(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions on (b, t, h, d), in halves as Hugging Face does."""
    cos, sin = rotary
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class FeedForward(nn.Module):
    """down(silu(gate x) * up x)"""

    def __init__(self, s: Shape):
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(s.hidden, s.feed_forward, bias=False), nn.Linear(s.hidden, s.feed_forward, bias=False)
        self.down_proj = nn.Linear(s.feed_forward, s.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """One layer."""

    def __init__(self, s: Shape):
        super().__init__()
        self.self_attn, self.mlp = Attention(s), FeedForward(s)
        self.input_layernorm, self.post_attention_layernorm = Norm(s.hidden), Norm(s.hidden)

    def begin(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """What comes before attention."""
        return self.self_attn.project(self.input_layernorm(x), rotary)

    def finish(self, x: Tensor, seen: Tensor) -> Tensor:
        """What comes after it; `seen` is what attention gave, in heads or side by side."""
        x = x + self.self_attn.o_proj(seen.reshape(*x.shape[:2], -1))
        return x + self.mlp(self.post_attention_layernorm(x))

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], attend) -> Tensor:
        return self.finish(x, attend(*self.begin(x, rotary)))


class Nano(nn.Module):
    """The language model."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(shape.vocab_size, shape.hidden),
            "layers": nn.ModuleList(Block(shape) for _ in range(shape.layers)),
            "norm": Norm(shape.hidden),
        })
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                last = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * shape.layers) if last else 0.02)

    def hidden(self, ids: Tensor, positions: Tensor | None = None, attend=None) -> Tensor:
        """Hidden states before the output head: ids (b, t) -> (b, t, hidden). `attend` is `Rows` or `Cached`; without it every row
        is one text."""
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device)[None]
        attend = attend or Cached(self.shape.layers)
        s = self.shape
        x = self.model["embed_tokens"](ids)
        frequencies = s.theta ** (-torch.arange(0, s.head_dim, 2, device=ids.device) / s.head_dim)
        angles = positions[..., None].float() * frequencies  # (b, t, d/2)
        rotary = (angles.cos()[:, :, None], angles.sin()[:, :, None])
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
            rotary = tuple(t.to(x.dtype) for t in rotary)
        for block in self.model["layers"]:
            x = block(x, rotary, attend)
        return self.model["norm"](x)

    def compile_blocks(self) -> None:
        """Fuses what surrounds attention, for training: a third faster on two cores. The first steps take longer."""
        for block in self.model["layers"]:
            block.begin, block.finish = (torch.compile(part, dynamic=True) for part in (block.begin, block.finish))

    def head(self, hidden: Tensor) -> Tensor:
        """Logits: the embedding, transposed."""
        return F.linear(hidden, self.model["embed_tokens"].weight)

    def save(self, folder: Path, stop_ids: list[int]) -> None:
        """Writes `config.json`, `generation_config.json` and `model.safetensors` (bf16)."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().cpu().to(torch.bfloat16).contiguous() for name, tensor in self.state_dict().items() if "lora_" not in name}
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        (folder / "config.json").write_text(json.dumps(self._config(stop_ids), indent=1) + "\n")
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": stop_ids, "pad_token_id": stop_ids[-1]}, indent=1) + "\n")

    def _config(self, stop_ids: list[int]) -> dict:
        s = self.shape
        return {
            "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": s.vocab_size, "hidden_size": s.hidden,
            "intermediate_size": s.feed_forward, "num_hidden_layers": s.layers, "num_attention_heads": s.heads,
            "num_key_value_heads": s.kv_heads, "head_dim": s.head_dim, "hidden_act": "silu", "rms_norm_eps": EPSILON,
            "rope_theta": s.theta, "max_position_embeddings": s.positions, "attention_bias": False, "attention_dropout": 0.0,
            "tie_word_embeddings": True, "use_cache": True, "eos_token_id": stop_ids, "dtype": "bfloat16", "torch_dtype": "bfloat16",
        }


def load(folder: Path) -> Nano:
    """Opens a folder that `Nano.save` wrote, in f32."""
    c = json.loads((folder / "config.json").read_text())
    shape = Shape(c["vocab_size"], c["hidden_size"], c["num_hidden_layers"], c["num_attention_heads"], c["num_key_value_heads"],
                  c["head_dim"], c["intermediate_size"], c["rope_theta"], c["max_position_embeddings"])
    model = Nano(shape)
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()})
    return model


def describe(shape: Shape) -> dict:
    """The shape as plain values, for checkpoints."""
    return asdict(shape)
