"""The body in images that are 0 around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from agg2exp.domain.case import Grid
from agg2exp.domain.resampling import nearest
from agg2exp.domain.roles import Notice
from agg2exp.preprocessing.body import NEARLY_ALL, UNKNOWN, on_a_face


@dataclass(frozen=True)
class NonZero:
    """What is not 0 in some channel, with its holes filled: for skull-stripped or zero-padded MRI."""

    def __call__(
        self, scan: NDArray[np.number], native: Grid, resampled: NDArray[np.floating], grid: Grid, notice: Notice
    ) -> NDArray[np.bool_] | None:
        """See `Body`; unknown where nearly the whole scan would be body, or no outer face of it is 0 (noise)."""
        something = (scan != 0).any(axis=0)
        body: NDArray[np.bool_] = ndimage.binary_fill_holes(something)
        if body.mean() > NEARLY_ALL or not on_a_face(something, False):
            notice(
                f"the scan is not 0 around the patient, as if it was neither skull-stripped nor padded, {UNKNOWN}. "
                "For such scans set model.preprocessing.body=null"
            )
            return None
        return nearest(body, native, grid)
