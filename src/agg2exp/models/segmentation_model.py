"""A trained network and all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.inference import SlidingWindow
from agg2exp.preprocessing.base import Preprocessor

PARTS = {"network": nn.Module, "labels": Labels, "preprocessing": Preprocessor, "windows": SlidingWindow}
"""What a model cannot be without."""


@dataclass(frozen=True, eq=False)
class SegmentationModel:
    """What a trained network's owner knows: data never need to know which model asks.

    Attributes:
        network: (B, C, d, h, w) -> (B, L, d, h, w) logits.
        labels: Names of the L classes in the order of the channels, and the head.
        preprocessing: From files to the tensor that the network was trained on, and what that says about body and
            display.
        windows: Size, overlap, blending, batch and padding of the sliding windows.
        name: Name of the model.
        head_is_known: Whether somebody who knows the network said what its head is; else the first prediction must look
            so, see `check_head`.
        provenance: What the network was made from (weights, configuration), by name, kept with the results.

    Raises:
        SettingError: A part is something else.
    """

    network: nn.Module
    labels: Labels
    preprocessing: Preprocessor
    windows: SlidingWindow
    name: str = ""
    head_is_known: bool = True
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in PARTS.items():
            part = getattr(self, name)
            if not isinstance(part, kind):
                raise SettingError(name, type(part).__name__, f"a {kind.__module__}.{kind.__qualname__}")

    @property
    def head(self) -> str:
        """Either "softmax" or "sigmoid", see `Labels`."""
        return self.labels.head
