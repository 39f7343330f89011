"""The patient's body in a CT."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from agg2exp.domain.roles import Notice
from agg2exp.preprocessing.hounsfield import not_hounsfield, sample

THRESHOLD = -500.0  # HU
NEARLY_ALL = 0.98  # of the volume
FILLED = 0.1  # of the voxels: no value of a scanner is that frequent in tissue
FACE = 0.8  # of an outer face of the volume: padding lies there, whatever the patient fills
UNKNOWN = "so that the body is unknown, and with it enrichment_body and expected_by_distance (NaN)"


def known_body(scan: NDArray[np.number], hu: NDArray[np.floating], notice: Notice) -> NDArray[np.bool_] | None:
    """The patient without the air around, (D', H', W'); None where the intensities do not tell.

    They do not if they are no Hounsfield units, or if one value that is no air fills a part of the volume, and either
    nearly the whole volume would be body or that value fills an outer face: clipped air, or padding. A view that lies
    within the patient is all body.

    Args:
        scan: (D, H, W) as stored, before clipping hides what it is.
        hu: (D', H', W') on the model's grid, not clipped at `THRESHOLD`.
        notice: Told why the body is unknown.
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
    body = body_mask(hu)
    filling = _filling(scan)
    if filling is not None and (body.mean() > NEARLY_ALL or _on_a_face(scan, filling)):
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


def _on_a_face(scan: NDArray[np.number], value: float) -> bool:
    faces = (scan.take(end, axis) for axis in range(3) for end in (0, -1))
    return any(np.mean(face == value) > FACE for face in faces)


def body_mask(hu: NDArray[np.floating], threshold: float = THRESHOLD) -> NDArray[np.bool_]:
    """Largest connected part above `threshold` HU with its holes (lungs, airways, bowel gas) filled, (D, H, W).

    Holes are filled slice by slice across the third axis (from below in RAS+), where the lungs are closed off even in
    a scan that ends inside them.
    """
    parts, n = ndimage.label(hu > threshold)
    if n == 0:
        return np.zeros(hu.shape, dtype=bool)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    body: NDArray[np.bool_] = parts == sizes.argmax()
    for k in range(hu.shape[2]):
        body[:, :, k] = ndimage.binary_fill_holes(body[:, :, k])
    return body
