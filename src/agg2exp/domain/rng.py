"""Random numbers that depend on what they are for, never on what ran before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class KeyedRng:
    """Generators keyed by (seed, case id, method, purpose, index).

    The result of a case then does not depend on the number of devices, the order of cases or earlier draws.
    Numbers are drawn on the CPU, so that every device sees the same ones.
    """

    seed: int
    case_id: str
    method: str

    def generator(self, purpose: str, index: int = 0) -> torch.Generator:
        """A fresh CPU generator for one purpose and index."""
        key = "\x1f".join([str(self.seed), self.case_id, self.method, purpose, str(index)])
        digest = hashlib.sha256(key.encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)

    def normal_like(self, x: Tensor, purpose: str, index: int = 0) -> Tensor:
        """Standard normal noise of the shape, dtype and device of `x`."""
        return torch.randn(x.shape, dtype=x.dtype, generator=self.generator(purpose, index)).to(x.device)
