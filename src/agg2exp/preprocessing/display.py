"""Which values of a scan are drawn black and white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from agg2exp.preprocessing.base import Limits
from agg2exp.preprocessing.intensity import percentiles
from agg2exp.preprocessing.low_high import check_low_high


class Shown(Protocol):
    """Says what is black and what is white."""

    def limits(self, volume: Tensor) -> Limits:
        """For each channel of a volume (C, D, H, W), in its own units."""


@dataclass(frozen=True)
class Display:
    """The same window for every scan, where a value means the same in each (CT).

    Attributes:
        low: Black, in the units of the scan's files.
        high: White.
        unit: Name of the unit.

    Raises:
        SettingError: A value is none, or low is not below high.
    """

    low: float
    high: float
    unit: str = ""

    def __post_init__(self) -> None:
        check_low_high(self, "display")

    def limits(self, volume: Tensor) -> Limits:
        """The window, for each channel."""
        return ((self.low, self.high),) * len(volume)


@dataclass(frozen=True)
class PercentileDisplay:
    """A window for each scan and channel, where values differ from scan to scan (MRI).

    Attributes:
        low: Black, in percent of the voxels.
        high: White.

    Raises:
        SettingError: A value is no percentage, or low is not below high.
    """

    low: float = 1.0
    high: float = 99.0

    def __post_init__(self) -> None:
        check_low_high(self, "display", 0, 100)

    def limits(self, volume: Tensor) -> Limits:
        """The percentiles of each channel."""
        return percentiles(volume, self.low, self.high)
