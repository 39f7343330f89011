"""The contract of a baseline image."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from agg2exp.domain.rng import KeyedRng


class Baseline(ABC):
    """The image x′ that stands for "nothing to see": integrated gradients start at it, KernelSHAP removes by it.

    Subclasses are frozen dataclasses, so that their `repr` says all that a result depends on.
    """

    @abstractmethod
    def __call__(self, image: Tensor, rng: KeyedRng) -> Tensor:
        """x′ for an image x, both (C, D, H, W).

        Args:
            image: x.
            rng: Random numbers of this case.
        """
