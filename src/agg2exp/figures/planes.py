"""Planes through a volume, in radiological convention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from agg2exp.figures import style

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Plane:
    """A plane of a volume whose axes point to R, A, S, drawn in radiological convention.

    The patient's left is at the right of the picture, as if the reader stood at the feet of the patient.

    Attributes:
        name: Name of the plane.
        normal: Array axis that the plane is perpendicular to.
        across: Array axis along the rows of the picture, running to the left.
        up: Array axis along its columns, running upwards; up > across.
        letters: Directions at the left, right, top and bottom.
    """

    name: str
    normal: int
    across: int
    up: int
    letters: str

    def cut(self, volume: NDArray[T], index: int) -> NDArray[T]:
        """The picture (rows from the top, columns from the left) of a (D, H, W) volume at `index`."""
        where = tuple(index if axis == self.normal else slice(None, None, -1) for axis in range(3))
        return volume[where].T  # `across` comes before `up` in every plane


PLANES = (
    Plane("axial", normal=2, across=0, up=1, letters="RLAP"),
    Plane("coronal", normal=1, across=0, up=2, letters="RLSI"),
    Plane("sagittal", normal=0, across=1, up=2, letters="APSI"),
)


def largest_slices(mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    """For each axis of a (D, H, W) mask the index of the slice with most voxels (the first of equals)."""
    d, h, w = (int(mask.sum(axis=other).argmax()) for other in ((1, 2), (0, 2), (0, 1)))
    return d, h, w


def outline(
    mask: NDArray[np.bool_], box: tuple[float, float, float, float]
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Segments along the pixel edges between inside and outside of a 2D mask drawn into (x0, x1, y0, y1)."""
    rows, columns = mask.shape
    x = np.linspace(box[0], box[1], columns + 1)
    y = np.linspace(box[3], box[2], rows + 1)  # row 0 is at the top
    padded = np.pad(mask, 1).astype(np.int8)
    level = [((x[c], y[r]), (x[c + 1], y[r])) for r, c in np.argwhere(np.diff(padded, axis=0)[:, 1:-1])]
    upright = [((x[c], y[r]), (x[c], y[r + 1])) for r, c in np.argwhere(np.diff(padded, axis=1)[1:-1])]
    return level + upright


def write_directions(axes: Axes, letters: str) -> None:
    """One letter at each side of a panel."""
    places = ((0.025, 0.5), (0.975, 0.5), (0.5, 0.97), (0.5, 0.03))
    for letter, (x, y) in zip(letters, places, strict=True):
        text = axes.text(x, y, letter, transform=axes.transAxes, ha="center", va="center", color="white")
        text.set_fontsize(style.TEXT)
        text.set_path_effects([withStroke(linewidth=2, foreground="black")])
