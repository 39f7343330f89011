"""The patient's body in a CT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from agg2exp.domain.case import Grid
from agg2exp.domain.roles import Notice
from agg2exp.preprocessing.hounsfield import not_hounsfield, sample

THRESHOLD = -500.0  # HU
LOWEST = -1024.0  # HU
NEARLY_ALL = 0.98  # of the volume
FILLED = 0.1  # of the voxels: no value of a scanner is that frequent in tissue
FACE = 0.8  # of an outer face of the volume: padding lies there, whatever the patient fills
UNKNOWN = "so that the body is unknown, and with it enrichment_body and expected_by_distance (NaN)"


@dataclass(frozen=True)
class CtBody:
    """The patient without the air around, in a CT in Hounsfield units; of several channels the first is the CT."""

    def __call__(
        self, scan: NDArray[np.number], native: Grid, resampled: NDArray[np.floating], grid: Grid, notice: Notice
    ) -> NDArray[np.bool_] | None:
        """See `Body` and `known_body`."""
        return known_body(scan[0], resampled[0], notice, _axis_to_the_head(grid))


def _axis_to_the_head(grid: Grid) -> int:
    return int(np.abs(grid.affine[2, :3] / grid.spacing).argmax())


def known_body(
    scan: NDArray[np.number], hu: NDArray[np.floating], notice: Notice, axis: int = 2
) -> NDArray[np.bool_] | None:
    """The patient without the air around, (D', H', W'); None where the intensities do not tell.

    They do not if they are no Hounsfield units, or if one value that is no air fills a part of the volume, and either
    nearly the whole volume would be body or that value fills an outer face: clipped air, or padding. A view that lies
    within the patient is all body.

    Args:
        scan: (D, H, W) as stored, before clipping hides what it is.
        hu: (D', H', W') on the model's grid, not clipped at `THRESHOLD`.
        notice: Told why the body is unknown.
        axis: Of `hu` along the patient.
    """
    if scan.min() == scan.max():  # which is said where the scan is read
        return None
    looks_like = not_hounsfield(scan)
    if looks_like:
        notice(
            f"the intensities are no Hounsfield units, they look like {looks_like}: a model of CT makes nothing of "
            f"them. They do not tell air from tissue, {UNKNOWN}. Convert the scan, unless the model knows such images"
        )
        return None
    body = body_mask(hu, axis=axis)
    filling = _filling(scan)
    if filling is not None and (body.mean() > NEARLY_ALL or on_a_face(scan, filling)):
        notice(
            f"one value fills more than {FILLED:.0%} of the scan and is no air (below {THRESHOLD:.0f} HU), as "
            f"after clipping or padding, {UNKNOWN}. Give the scan as it came, with air at -1000"
        )
        return None
    return body


def _filling(scan: NDArray[np.number]) -> float | None:
    """The value that fills more than `FILLED` of a scan and is no air."""
    values = sample(scan)
    candidates, counts = np.unique(values[values > THRESHOLD], return_counts=True)
    return float(candidates[counts.argmax()]) if counts.max(initial=0) > FILLED * len(values) else None


def on_a_face(scan: NDArray[Any], value: float) -> bool:
    """Whether one value fills an outer face of a volume (D, H, W)."""
    faces = (scan.take(end, axis) for axis in range(3) for end in (0, -1))
    return any(np.mean(face == value) > FACE for face in faces)


def body_mask(hu: NDArray[np.number], threshold: float = THRESHOLD, axis: int = 2) -> NDArray[np.bool_]:
    """Largest connected part above `threshold` HU with its holes (lungs, airways, bowel gas) filled, (D, H, W).

    Holes are filled slice by slice across `axis` (the third, from below in RAS+), where the lungs are closed off even
    in a scan that ends inside them. Values are compared as scanners store them, above `LOWEST`: at that size of
    numbers, the rounding of an interpolation at the threshold does not count.
    """
    parts, n = ndimage.label(np.asarray(hu, dtype=np.float32) - np.float32(LOWEST) > threshold - LOWEST)
    if n == 0:
        return np.zeros(hu.shape, dtype=bool)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    body: NDArray[np.bool_] = parts == sizes.argmax()
    for section in np.moveaxis(body, axis, 0):
        section[...] = ndimage.binary_fill_holes(section)
    return body
