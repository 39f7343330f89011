"""What the model predicted for a case: the constants that scores are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor

VOLUMES = ("labels", "top_logit", "top_probability", "runner_up", "runner_up_logit")


@dataclass(frozen=True, eq=False)
class Prediction:
    """Per-voxel results of the stitched logits f(x) (L, D, H, W), kept without the logits themselves.

    Attributes:
        labels: (D, H, W) int16, predicted label map ŷ = argmax_c f_c(x) (Eq. 1), the lowest of equal ones.
        top_logit: (D, H, W), f_ŷ(x): the logit of the predicted class.
        top_probability: (D, H, W), softmax probability of the predicted class.
        runner_up: (D, H, W) int16, the class with the second-highest logit, again the lowest of equal ones.
        runner_up_logit: (D, H, W), the logit of that class.
        n_classes: L.
    """

    labels: Tensor
    top_logit: Tensor
    top_probability: Tensor
    runner_up: Tensor
    runner_up_logit: Tensor
    n_classes: int

    @classmethod
    def from_logits(cls, logits: Tensor) -> Self:
        """From stitched logits (L, D, H, W), L >= 2. Of equal logits the one of the lowest label comes first."""
        top, labels = logits.max(dim=0)  # the first of equal ones, which topk does not promise
        second, runner_up = logits.scatter(0, labels.unsqueeze(0), -torch.inf).max(dim=0)
        log_sum = (logits - top).exp_().sum(dim=0).log_().add_(top)
        return cls(
            labels=labels.to(torch.int16),
            top_logit=top,
            top_probability=(top - log_sum).exp_(),
            runner_up=runner_up.to(torch.int16),
            runner_up_logit=second,
            n_classes=logits.shape[0],
        )

    @classmethod
    def join(cls, slabs: list[Self]) -> Self:
        """Join slabs along the first spatial axis."""
        return cls(
            labels=torch.cat([s.labels for s in slabs]),
            top_logit=torch.cat([s.top_logit for s in slabs]),
            top_probability=torch.cat([s.top_probability for s in slabs]),
            runner_up=torch.cat([s.runner_up for s in slabs]),
            runner_up_logit=torch.cat([s.runner_up_logit for s in slabs]),
            n_classes=slabs[0].n_classes,
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The volumes by name."""
        return {name: getattr(self, name).cpu().numpy() for name in VOLUMES}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_classes: int) -> Self:
        """Back from `to_arrays`."""
        volumes = {name: torch.from_numpy(arrays[name]) for name in VOLUMES}
        return cls(**volumes, n_classes=n_classes)

    def to(self, device: torch.device | str) -> Prediction:
        """The same prediction on `device`."""
        return self._mapped(lambda volume: volume.to(device))

    def copy(self) -> Prediction:
        """The same prediction in memory of its own."""
        return self._mapped(lambda volume: volume.clone())

    def crop(self, where: tuple[slice, ...]) -> Prediction:
        """The part inside three slices."""
        return self._mapped(lambda volume: volume[where])

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Prediction:
        return Prediction(
            change(self.labels),
            change(self.top_logit),
            change(self.top_probability),
            change(self.runner_up),
            change(self.runner_up_logit),
            self.n_classes,
        )

    def voxels(self) -> Tensor:
        """Number of voxels of each class, (L,) int64."""
        return torch.bincount(self.labels.flatten().long() + 1, minlength=self.n_classes + 1)[1:]
