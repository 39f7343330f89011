"""From the values of a scan to those that the network was trained on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import NormalizeIntensity, ScaleIntensityRange, ScaleIntensityRangePercentiles
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.domain.errors import SettingError
from agg2exp.preprocessing.base import Limits
from agg2exp.preprocessing.low_high import check_low_high


class Intensity(ABC):
    """A map of values, channel by channel: y = (x - zero) / (one - zero), clipped or not; x - zero if one = zero."""

    @abstractmethod
    def __call__(self, volume: Tensor) -> Tensor:
        """Values (C, D, H, W) float32 -> values of the network, (C, D, H, W) float32."""

    @abstractmethod
    def ends(self, volume: Tensor) -> Limits:
        """For each channel of a volume (C, D, H, W) the values that become 0 and 1."""


@dataclass(frozen=True)
class Window(Intensity):
    """[low, high] becomes [0, 1], what is outside is clipped.

    Attributes:
        low: Becomes 0, in the units of the scan (HU).
        high: Becomes 1.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        check_low_high(self, "intensity")

    def __call__(self, volume: Tensor) -> Tensor:
        """Scaled and clipped."""
        return _plain(ScaleIntensityRange(self.low, self.high, 0.0, 1.0, clip=True)(volume))

    def ends(self, volume: Tensor) -> Limits:
        """The window, for each channel."""
        return ((self.low, self.high),) * len(volume)


@dataclass(frozen=True)
class ZScore(Intensity):
    """Mean 0 and standard deviation 1, each channel by itself; a channel of one value is only centred.

    Attributes:
        nonzero: Voxels that are 0 do not count and stay 0 (skull-stripped or zero-padded MRI).
    """

    nonzero: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.nonzero, bool):
            raise SettingError("intensity.nonzero", self.nonzero, "true or false")

    def __call__(self, volume: Tensor) -> Tensor:
        """Standardised."""
        return _plain(NormalizeIntensity(nonzero=self.nonzero, channel_wise=True)(volume.clone()))

    def ends(self, volume: Tensor) -> Limits:
        """Mean, and mean plus standard deviation."""
        kept = [channel[channel != 0] if self.nonzero else channel for channel in volume.double()]
        means = [float(values.mean()) if len(values) else 0.0 for values in kept]
        deviations = [float(values.std(unbiased=False)) if len(values) else 0.0 for values in kept]
        return tuple((mean, mean + deviation) for mean, deviation in zip(means, deviations, strict=True))


@dataclass(frozen=True)
class Percentile(Intensity):
    """Two percentiles of a channel become 0 and 1, what is outside is clipped.

    Attributes:
        low: Becomes 0, in percent of the voxels.
        high: Becomes 1.
    """

    low: float = 0.5
    high: float = 99.5

    def __post_init__(self) -> None:
        check_low_high(self, "intensity", 0, 100)

    def __call__(self, volume: Tensor) -> Tensor:
        """Scaled and clipped."""
        scaled = ScaleIntensityRangePercentiles(self.low, self.high, 0.0, 1.0, clip=True, channel_wise=True)
        return _plain(scaled(volume.clone()))

    def ends(self, volume: Tensor) -> Limits:
        """The percentiles."""
        return percentiles(volume, self.low, self.high)


@dataclass(frozen=True)
class PerChannel(Intensity):
    """Each channel by a map of its own, such as CT beside PET.

    Attributes:
        channels: The maps (C).

    Raises:
        SettingError: One is no map. When called: there are others than the volume has channels.
    """

    channels: tuple[Intensity, ...]

    def __post_init__(self) -> None:
        maps = self.channels if isinstance(self.channels, Sequence) else ()
        if not maps or not all(isinstance(part, Intensity) for part in maps):
            raise SettingError("intensity.channels", self.channels, "a list of intensities, one for each channel")
        object.__setattr__(self, "channels", tuple(maps))

    def __call__(self, volume: Tensor) -> Tensor:
        """Channel by channel."""
        return torch.cat([part(channel) for part, channel in self._pairs(volume)])

    def ends(self, volume: Tensor) -> Limits:
        """Those of each channel's map."""
        return tuple(end for part, channel in self._pairs(volume) for end in part.ends(channel))

    def _pairs(self, volume: Tensor) -> list[tuple[Intensity, Tensor]]:
        """Maps with their channels (1, D, H, W)."""
        if len(volume) != len(self.channels):
            allowed = f"as many as the scan has channels, {len(volume)}"
            raise SettingError("intensity.channels", f"{len(self.channels)} maps", allowed)
        return list(zip(self.channels, torch.split(volume, 1), strict=True))


def _plain(volume: Tensor | NDArray[Any]) -> Tensor:
    """Without what MONAI keeps beside the values."""
    return volume.as_tensor() if isinstance(volume, MetaTensor) else torch.as_tensor(volume)


def percentiles(volume: Tensor, low: float, high: float) -> Limits:
    """Two percentiles of each channel of a volume (C, D, H, W), in its units."""
    return tuple((float(a), float(b)) for a, b in (np.percentile(channel.numpy(), [low, high]) for channel in volume))
