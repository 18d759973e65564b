"""Muon: momentum whose direction is made orthogonal, for the matrices (Jordan et al. 2024); AdamW does the rest."""

import torch
from torch import Tensor

# Coefficients of the quintic Newton-Schulz iteration that drives singular values towards one.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonal(g: Tensor, steps: int = 5, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """Nearly orthogonal matrices with the directions of `g` (n, rows, columns), computed in `dtype`."""
    x = g.to(dtype)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(steps):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    return (x.mT if tall else x).to(g.dtype)


class Muon(torch.optim.Optimizer):
    """For matrices only. `lr` is relative to the matrix's spectral norm; momentum warms up over `warm` steps."""

    def __init__(self, matrices: list[Tensor], lr: float, weight_decay: float = 0.01, warm: int = 300, dtype: torch.dtype = torch.bfloat16):
        self.dtype = dtype
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "warm": warm, "step": 0})

    @torch.no_grad()
    def step(self, closure=None):
        """One step; matrices of one shape are made orthogonal together."""
        for group in self.param_groups:
            momentum = min(0.95, 0.85 + 0.1 * group["step"] / group["warm"])
            group["step"] += 1
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for shape, same in by_shape.items():
                self._step(same, shape, momentum, group)

    def _step(self, same: list[Tensor], shape: torch.Size, momentum: float, group: dict) -> None:
        ahead = []
        for p in same:
            buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
            buffer.mul_(momentum).add_(p.grad)
            ahead.append(p.grad + momentum * buffer)
        scale = max(1.0, shape[0] / shape[1]) ** 0.5
        for p, update in zip(same, orthogonal(torch.stack(ahead), dtype=self.dtype), strict=True):
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * scale)
