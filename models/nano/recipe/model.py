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
    """Sizes of the decoder."""

    vocab_size: int = 2048
    hidden: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    feed_forward: int = 768
    theta: float = 10000.0
    positions: int = 1024


class Norm(nn.Module):
    """y = x / rms(x) * weight"""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), EPSILON)


class Linear(nn.Linear):
    """A linear layer, optionally with a low-rank update: y = W x + scale * B A x."""

    scale = 0.0

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, bias=False)

    def add_lora(self, rank: int, alpha: float, generator: torch.Generator) -> list[nn.Parameter]:
        """Adds (or replaces) A (rank, inputs) and B (outputs, rank), as peft initialises them."""
        bound = 1 / math.sqrt(self.in_features)
        a = torch.empty(rank, self.in_features).uniform_(-bound, bound, generator=generator)
        device = self.weight.device
        self.lora_a, self.lora_b = nn.Parameter(a.to(device)), nn.Parameter(torch.zeros(self.out_features, rank, device=device))
        self.scale = alpha / rank
        return [self.lora_a, self.lora_b]

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight)
        return y + F.linear(F.linear(x, self.lora_a), self.lora_b) * self.scale if self.scale else y


class Attention(nn.Module):
    """Grouped-query attention with normed heads."""

    def __init__(self, s: Shape):
        super().__init__()
        self.s = s
        self.q_proj = Linear(s.hidden, s.heads * s.head_dim)
        self.k_proj = Linear(s.hidden, s.kv_heads * s.head_dim)
        self.v_proj = Linear(s.hidden, s.kv_heads * s.head_dim)
        self.o_proj = Linear(s.heads * s.head_dim, s.hidden)
        self.q_norm, self.k_norm = Norm(s.head_dim), Norm(s.head_dim)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None, cache: list | None) -> Tensor:
        s, (batch, length, _) = self.s, x.shape
        q = turn(self.q_norm(self.q_proj(x).view(batch, length, s.heads, s.head_dim)), rotary).transpose(1, 2)  # (b, h, t, d)
        k = turn(self.k_norm(self.k_proj(x).view(batch, length, s.kv_heads, s.head_dim)), rotary).transpose(1, 2)
        v = self.v_proj(x).view(batch, length, s.kv_heads, s.head_dim).transpose(1, 2)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            cache[:] = [k, v]
        k, v = (t.repeat_interleave(s.heads // s.kv_heads, 1) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


def turn(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions on (b, t, h, d), in halves as Hugging Face does."""
    cos, sin = rotary
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class FeedForward(nn.Module):
    """down(silu(gate x) * up x)"""

    def __init__(self, s: Shape):
        super().__init__()
        self.gate_proj, self.up_proj = Linear(s.hidden, s.feed_forward), Linear(s.hidden, s.feed_forward)
        self.down_proj = Linear(s.feed_forward, s.hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """One layer."""

    def __init__(self, s: Shape):
        super().__init__()
        self.self_attn, self.mlp = Attention(s), FeedForward(s)
        self.input_layernorm, self.post_attention_layernorm = Norm(s.hidden), Norm(s.hidden)

    def forward(self, x: Tensor, rotary, mask, cache) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rotary, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


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

    def hidden(self, ids: Tensor, positions: Tensor | None = None, mask: Tensor | None = None, caches: list | None = None) -> Tensor:
        """Hidden states before the output head: ids (b, t) -> (b, t, hidden). `mask` (b, 1, t, keys) is true where a query may
        look; without it attention is causal."""
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device)[None]
        s = self.shape
        x = self.model["embed_tokens"](ids)
        frequencies = s.theta ** (-torch.arange(0, s.head_dim, 2, device=ids.device) / s.head_dim)
        angles = positions[..., None].float() * frequencies  # (b, t, d/2)
        rotary = (angles.cos()[:, :, None], angles.sin()[:, :, None])
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
            rotary = tuple(t.to(x.dtype) for t in rotary)
        for index, block in enumerate(self.model["layers"]):
            x = block(x, rotary, mask, None if caches is None else caches[index])
        return self.model["norm"](x)

    def head(self, hidden: Tensor) -> Tensor:
        """Logits: the embedding, transposed."""
        return F.linear(hidden, self.model["embed_tokens"].weight)

    def linears(self) -> list[Linear]:
        """Every linear layer below the head."""
        return [module for module in self.modules() if isinstance(module, Linear)]

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
