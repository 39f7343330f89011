"""What the model predicted for a case: the constants that scores are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.domain.errors import SettingError
from agg2exp.domain.masks import ClassMasks, ExclusiveMasks, OverlappingMasks

VOLUMES = ("label_map", "top_logit", "top_probability", "runner_up", "runner_up_logit")


@dataclass(frozen=True, eq=False)
class PredictionLayer:
    """Per-voxel results of classes that are disjoint: of all classes of a softmax head, or of one of a sigmoid head.

    The rival of a region of a sigmoid head is its own complement, whose logit is 0, since σ(f) is the softmax over
    [0, f]: no class runs up.

    Attributes:
        label_map: (D, H, W) int16, the class of every voxel, -1 for none of this layer.
        top_logit: (D, H, W), the logit of that class; outside of a sigmoid head's region its logit all the same.
        top_probability: (D, H, W), its probability: softmax or sigmoid.
        runner_up: (D, H, W) int16, the class with the second-highest logit; None with a sigmoid head.
        runner_up_logit: (D, H, W), the logit of that class; None with a sigmoid head.
        n_classes: L, of all layers together.
    """

    label_map: Tensor
    top_logit: Tensor
    top_probability: Tensor
    runner_up: Tensor | None
    runner_up_logit: Tensor | None
    n_classes: int

    def voxels(self) -> Tensor:
        """Number of voxels of each class in this layer, (L,) int64."""
        return torch.bincount(self.label_map.flatten().long() + 1, minlength=self.n_classes + 1)[1:]

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same layer with every volume changed alike."""
        changed: dict[str, Any] = {name: change(volume) for name, volume in self.volumes().items()}
        return replace(self, **changed)

    def volumes(self) -> dict[str, Tensor]:
        """The volumes that there are, by name."""
        found = {name: getattr(self, name) for name in VOLUMES}
        return {name: volume for name, volume in found.items() if volume is not None}


@dataclass(frozen=True, eq=False)
class Prediction:
    """Per-voxel results of the stitched logits f(x) (L, D, H, W).

    Attributes:
        layers: Of disjoint classes: one of all L with a softmax head, L of one class each with a sigmoid head.
        head: "softmax" or "sigmoid".
    """

    layers: tuple[PredictionLayer, ...]
    head: str = "softmax"

    @classmethod
    def from_logits(cls, logits: Tensor, head: str = "softmax") -> Self:
        """From stitched logits (L, D, H, W), which are not kept; L >= 2 with a softmax head, 1 will do with a sigmoid.

        Softmax: ŷ = argmax_c f_c(x) (Eq. 1); of equal logits the one of the lowest label comes first. Sigmoid: class c
        is where f_c(x) > 0, that is σ(f_c) > 0.5.
        """
        if head == "softmax":
            return cls((_of_exclusive(logits),), head)
        return cls(tuple(_of_region(f, c, len(logits)) for c, f in enumerate(logits)), head)

    @classmethod
    def join(cls, slabs: Sequence[Self]) -> Self:
        """Join slabs along the first spatial axis."""
        layers = zip(*(slab.layers for slab in slabs), strict=True)
        return cls(tuple(_joined(parts) for parts in layers), slabs[0].head)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_classes: int) -> Self:
        """Back from `to_arrays`."""
        volumes = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if "logits" in volumes:
            return cls.from_logits(volumes["logits"], "sigmoid")
        return cls((PredictionLayer(**volumes, n_classes=n_classes),))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The volumes of a softmax head by name; of a sigmoid head the logits (L, D, H, W), which say all."""
        if self.head == "sigmoid":
            return {"logits": torch.stack([layer.top_logit for layer in self.layers]).cpu().numpy()}
        return {name: volume.cpu().numpy() for name, volume in self.layers[0].volumes().items()}

    @property
    def n_classes(self) -> int:
        """L."""
        return self.layers[0].n_classes

    @property
    def device(self) -> torch.device:
        """Where its volumes are."""
        return self.layers[0].label_map.device

    @property
    def masks(self) -> ClassMasks:
        """Where the classes are."""
        if self.head == "softmax":
            return ExclusiveMasks(self.layers[0].label_map, self.n_classes)
        return OverlappingMasks(torch.stack([layer.label_map >= 0 for layer in self.layers]))

    @property
    def label_map(self) -> Tensor:
        """ŷ (D, H, W) int16, of classes that exclude each other.

        Raises:
            SettingError: They may overlap; see `masks`.
        """
        if self.head != "softmax":
            raise SettingError("head", self.head, "softmax: regions that may overlap are no label map", "Use masks.")
        return self.layers[0].label_map

    def voxels(self) -> Tensor:
        """Number of voxels of each class, (L,) int64."""
        return torch.stack([layer.voxels() for layer in self.layers]).sum(dim=0)

    def to(self, device: torch.device | str) -> Self:
        """The same prediction on `device`."""
        return self._mapped(lambda volume: volume.to(device))

    def copy(self) -> Self:
        """The same prediction in memory of its own."""
        return self._mapped(lambda volume: volume.clone())

    def crop(self, where: tuple[slice, ...]) -> Self:
        """The part inside three slices."""
        return self._mapped(lambda volume: volume[where])

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Self:
        return replace(self, layers=tuple(layer.mapped(change) for layer in self.layers))


def _of_exclusive(logits: Tensor) -> PredictionLayer:
    """All classes of a softmax head."""
    top, labels = logits.max(dim=0)  # the first of equal ones, which topk does not promise
    second, runner_up = logits.scatter(0, labels.unsqueeze(0), -torch.inf).max(dim=0)
    log_sum = (logits - top).exp_().sum(dim=0).log_().add_(top)
    return PredictionLayer(
        label_map=labels.to(torch.int16),
        top_logit=top,
        top_probability=(top - log_sum).exp_(),
        runner_up=runner_up.to(torch.int16),
        runner_up_logit=second,
        n_classes=logits.shape[0],
    )


def _of_region(logit: Tensor, c: int, n_classes: int) -> PredictionLayer:
    """Class c of a sigmoid head, from its logit (D, H, W)."""
    inside = torch.full_like(logit, -1, dtype=torch.int16).masked_fill_(logit > 0, c)
    return PredictionLayer(inside, logit.clone(), logit.sigmoid(), None, None, n_classes)


def _joined(parts: Sequence[PredictionLayer]) -> PredictionLayer:
    """One layer of slabs of it."""
    whole: dict[str, Any] = {name: torch.cat([p.volumes()[name] for p in parts]) for name in parts[0].volumes()}
    return replace(parts[0], **whole)
