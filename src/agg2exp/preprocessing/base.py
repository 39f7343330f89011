"""What a model needs of its preprocessing: the seam between the scan's grid and the network's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.domain.case import Grid
from agg2exp.domain.description import described
from agg2exp.domain.roles import Notice

Limits = tuple[tuple[float, float], ...]
"""For each channel the values that are drawn black and white, (low, high)."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A scan as the network takes it.

    Attributes:
        image: (C, D', H', W') float32.
        grid: Grid of `image`.
        body: (D', H', W') bool, the patient without what is around; None if unknown.
        shown: Limits in the units of `image`, C pairs.
        display: Limits in the units of the scan's files, C pairs.
    """

    image: Tensor
    grid: Grid
    body: Tensor | None
    shown: Limits
    display: Limits


class Preprocessor(ABC):
    """From a scan on its own grid to the tensor that a network was trained on.

    Masks and label maps do not go through it: `agg2exp.domain.resampling` takes them from the scan's grid to
    `Prepared.grid`, and `agg2exp.store.nifti.to_native` takes results back.
    """

    @abstractmethod
    def prepare(self, scan: NDArray[Any], native: Grid, notice: Notice) -> Prepared:
        """Preprocess a scan.

        Args:
            scan: (C, D, H, W), the values as stored, channels on one grid.
            native: Grid of the scan.
            notice: Told what looks wrong or stays unknown.
        """

    @abstractmethod
    def voxels(self, native: Grid) -> float:
        """At most so many voxels has the image of a scan on `native`, D' · H' · W', from the header alone."""

    def image(self, scan: NDArray[Any], native: Grid) -> tuple[Tensor, Grid]:
        """A scan (C, D, H, W) -> ((C, D', H', W') float32, its grid), without anything about body and display."""
        prepared = self.prepare(scan, native, _unheard)
        return prepared.image, prepared.grid


def provenance_of(preprocessing: Preprocessor) -> dict[str, str]:
    """What a result depends on of a preprocessing, by name: all but its display.

    Raises:
        SettingError: A value cannot be told from others, see `described`.
    """
    return {f"preprocessing: {name}": value for name, value in described(preprocessing, without={"display"}).items()}


class Body(Protocol):
    """Tells the patient from what is around."""

    def __call__(
        self, scan: NDArray[Any], native: Grid, resampled: NDArray[np.float32], grid: Grid, notice: Notice
    ) -> NDArray[np.bool_] | None:
        """The body on `grid`, (D', H', W'); None where the intensities do not tell, and `notice` is told why.

        Args:
            scan: (C, D, H, W) as stored.
            native: Grid of `scan`.
            resampled: (C, D', H', W'), the values of `scan` on `grid`.
            grid: Grid of the model's image before padding.
            notice: Told why the body is unknown.
        """


def _unheard(notice: str) -> None:
    """Nobody is told."""
