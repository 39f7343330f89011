"""Where the windows lie and how much each counts: Σ_w b_w(i) = 1 at every voxel i."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from torch import Tensor
from torch.nn.functional import pad

from agg2exp.domain.errors import SettingError, check_choice, check_range

Slices = tuple[slice, slice, slice]


@dataclass(frozen=True)
class SlidingWindow:
    """Settings of the sliding window; the words and the placement are those of MONAI's inferer.

    Attributes:
        size: (d, h, w) voxels of one window.
        overlap: Share of a window that its neighbour covers too, in [0, 1).
        blending: "constant" (all voxels of a window count alike) or "gaussian" (its centre counts more).
        batch: Windows evaluated at a time. On CPUs 2 takes about two thirds of the time of 1.
        pad: What a volume smaller than the window is padded with (0 is air in a scaled CT).
        precision: "float32" (as the weights are), or "bfloat16" or "float16": the network runs under autocast; scores
            and attributions are added up as before.
    """

    size: tuple[int, int, int]
    overlap: float = 0.25
    blending: str = "constant"
    batch: int = 2
    pad: float = 0.0
    precision: str = "float32"

    def __post_init__(self) -> None:
        if not isinstance(self.size, Sequence) or len(self.size) != 3:
            raise SettingError("size", self.size, "three whole numbers [D, H, W]")
        object.__setattr__(self, "size", tuple(self.size))
        for edge in self.size:
            check_range("size", edge, 1, integer=True)
        check_range("overlap", self.overlap, 0, 1, below=True)
        check_choice("blending", self.blending, ("constant", "gaussian"))
        check_range("batch", self.batch, 1, integer=True)
        check_choice("precision", self.precision, ("float32", "bfloat16", "float16"))

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which the network runs."""
        half = self.precision != "float32"
        return torch.autocast(device.type, dtype=getattr(torch, self.precision) if half else None, enabled=half)

    def scale(self, cotangent: Tensor) -> float:
        """A power of two that keeps small cotangents from vanishing in half precision; else 1."""
        if self.precision != "float16":
            return 1.0
        largest = float(cotangent.abs().amax())
        return 2.0 ** -math.frexp(largest)[1] if largest > 0 else 1.0


class WindowPlan:
    """Windows over one volume.

    Attributes:
        shape: (D, H, W) of the volume.
        padding: Widths for `torch.nn.functional.pad`, last axis first; zero unless the volume is smaller.
        windows: Slices of each window in the padded volume, first axis slowest.
    """

    def __init__(self, settings: SlidingWindow, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> None:
        self.settings = settings
        self.shape = tuple(shape)
        roi = settings.size
        missing = [max(r - s, 0) for r, s in zip(roi, self.shape, strict=True)]
        self.padding = tuple(w for m in reversed(missing) for w in (m // 2, m - m // 2))
        self.padded_shape = tuple(max(r, s) for r, s in zip(roi, self.shape, strict=True))
        steps = [
            r if r == s else max(int(r * (1 - settings.overlap)), 1)
            for r, s in zip(roi, self.padded_shape, strict=True)
        ]
        self.windows: list[Slices] = [(d, h, w) for d, h, w in dense_patch_slices(self.padded_shape, roi, steps)]
        self._map: Tensor = compute_importance_map(roi, mode=settings.blending, dtype=dtype, device=device)

    @cached_property
    def _total(self) -> Tensor:
        """(*padded) sum of the importance maps of all windows."""
        total = torch.zeros(self.padded_shape, dtype=self._map.dtype, device=self._map.device)
        for window in self.windows:
            total[window] += self._map
        if not bool((total > 0).all()):
            raise RuntimeError("some voxels are covered by no window")
        return total

    def pad(self, images: Tensor) -> Tensor:
        """Images (…, D, H, W) of the volume's shape, padded."""
        return pad(images, self.padding, value=self.settings.pad)

    def cut(self, padded: Tensor, batch: Sequence[tuple[int, int]]) -> Tensor:
        """Windows (N, C, d, h, w) of padded images (B, C, *padded), N pairs (window, image) of them."""
        return torch.stack([padded[(b, slice(None), *self.windows[w])] for w, b in batch])

    def blend(self, index: int) -> Tensor:
        """b_w of window `index`, (d, h, w)."""
        return self._map / self._total[self.windows[index]]

    @cached_property
    def interior(self) -> Slices:
        """Where the volume lies in the padded volume."""
        before = self.padding[::-1][1::2]
        d, h, w = (slice(b, b + s) for b, s in zip(before, self.shape, strict=True))
        return d, h, w
