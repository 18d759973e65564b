"""Batched generation with a key/value cache, and log-probabilities of continuations."""

from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from model import Cached, Nano, load

STOPS = ("<|im_end|>", "<|endoftext|>")
BATCH = 64


class Writer:
    """A model with its tokenizer."""

    def __init__(self, folder: Path, device: str | None = None):
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model: Nano = load(folder).to(self.device).eval()
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.stops = torch.tensor([self.tokenizer.token_to_id(token) for token in STOPS], device=self.device)

    def ids(self, text: str) -> list[int]:
        """Tokens of a text."""
        return self.tokenizer.encode(text).ids

    def write(self, prompts: list[str], most: int, temperature: float = 0.0, seed: int = 0) -> list[str]:
        """What the model writes after each prompt, at most so many tokens, up to a stop token. Temperature 0 is greedy."""
        generator = torch.Generator(self.device).manual_seed(seed)
        encoded = [self.ids(prompt) for prompt in prompts]
        order = sorted(range(len(prompts)), key=lambda index: len(encoded[index]))
        out: list[list[int]] = [[] for _ in prompts]
        for start in range(0, len(order), BATCH):
            part = order[start:start + BATCH]
            for index, tokens in zip(part, self._write([encoded[index] for index in part], most, temperature, generator), strict=True):
                out[index] = tokens
        return [self.tokenizer.decode(tokens).strip() for tokens in out]

    @torch.no_grad()
    def _write(self, prompts: list[list[int]], most: int, temperature: float, generator: torch.Generator) -> list[list[int]]:
        longest = max(map(len, prompts))
        pad = torch.tensor([longest - len(prompt) for prompt in prompts], device=self.device)
        ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts], device=self.device)
        keep = torch.arange(longest + most, device=self.device)[None] >= pad[:, None]
        positions = (torch.arange(longest, device=self.device)[None] - pad[:, None]).clamp(min=0)
        attend = Cached(self.model.shape.layers, keep)
        done = torch.zeros(len(prompts), dtype=torch.bool, device=self.device)
        written = []
        for _ in range(most):
            logits = self.model.head(self.model.hidden(ids, positions, attend)[:, -1]).float()
            if temperature == 0:
                ids = logits.argmax(-1, keepdim=True)
            else:
                ids = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)
            done |= torch.isin(ids[:, 0], self.stops)
            written.append(torch.where(done, -1, ids[:, 0]))
            positions = positions[:, -1:] + 1
            if done.all():
                break
        return [[token for token in row if token >= 0] for row in torch.stack(written, 1).tolist()]

    @torch.no_grad()
    def log_prob(self, prompt: str, continuations: list[str]) -> list[float]:
        """Natural logarithm of the probability of each continuation, its end-of-turn token included."""
        start, out = self.ids(prompt), []
        for text in continuations:
            ids = torch.tensor([start + self.ids(text + STOPS[0])], device=self.device)
            logits = self.model.head(self.model.hidden(ids))[0, len(start) - 1:-1].float()
            out.append(-F.cross_entropy(logits, ids[0, len(start):], reduction="sum").item())
        return out
