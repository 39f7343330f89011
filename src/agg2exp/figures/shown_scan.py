"""A scan as pictures show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import DataError
from agg2exp.domain.upright import upright, upright_spacing
from agg2exp.preprocessing.display import PercentileDisplay


@dataclass(frozen=True, eq=False)
class ShownScan:
    """A scan with its axes turned to R, A, S.

    Attributes:
        image: (C, D, H, W).
        spacing: Millimetres between voxels along D, H, W.
        limits: For each channel the values of `image` that are drawn black and white.
        channels: Names of the channels (C).
    """

    image: NDArray[Any]
    spacing: tuple[float, float, float]
    limits: tuple[tuple[float, float], ...]
    channels: tuple[str, ...]

    @classmethod
    def of(
        cls,
        image: NDArray[Any],
        grid: Grid,
        limits: Sequence[tuple[float, float]] = (),
        channels: Sequence[str] = (),
    ) -> ShownScan:
        """Turn a scan (C, D, H, W) on `grid`.

        Args:
            image: The scan.
            grid: Its grid.
            limits: See above; some percentiles of each channel unless given.
            channels: See above; "0", "1", … unless given.

        Raises:
            DataError: There are not as many limits or names as channels.
        """
        names = tuple(channels) or tuple(map(str, range(len(image))))
        black_white = tuple(limits) or PercentileDisplay().limits(torch.from_numpy(np.ascontiguousarray(image)))
        if not len(image) == len(black_white) == len(names):
            raise DataError(
                f"expected limits and a name for each of the {len(image)} channels, got {len(black_white)} and "
                f"{len(names)}"
            )
        return cls(upright(image, grid), upright_spacing(grid), black_white, names)

    @property
    def shape(self) -> tuple[int, ...]:
        """(D, H, W)."""
        return self.image.shape[1:]
