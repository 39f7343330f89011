"""The patient's body in a CT."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def body_mask(hu: NDArray[np.floating], threshold: float = -500.0) -> NDArray[np.bool_]:
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
