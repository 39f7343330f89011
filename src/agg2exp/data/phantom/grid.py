"""Voxel grid of one scan, and painting parts onto it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from agg2exp.data.phantom.patient import WAVES, Patient, Vector
from agg2exp.data.phantom.shapes import Array, Labels, Mask, Part, Solid


@dataclass(frozen=True)
class Grid:
    """Voxel centres of one image.

    Attributes:
        affine: (4, 4), voxel index to world RAS+ (mm).
        x, y, z: (D, H, W) reference coordinates of the voxel centres.
        matrix, offset: (3, 3) and (3,), reference point to voxel index, the patient's waves left out.
    """

    affine: Vector
    x: Array
    y: Array
    z: Array
    matrix: Vector
    offset: Vector
    patient: Patient

    @classmethod
    def of(cls, patient: Patient, spacing: tuple[float, float, float], signs: tuple[int, int, int]) -> Grid:
        """The grid that fills the patient's field of view; ``signs`` are the directions of the three axes."""
        step = np.asarray(spacing, float) * signs
        shape = np.maximum(np.floor(patient.field_of_view / np.abs(step)).astype(int), 1)
        affine = np.diag([*step, 1.0])
        affine[:3, 3] = patient.centre - step * (shape - 1) / 2
        axes = [affine[a, 3] + step[a] * np.arange(shape[a]) for a in range(3)]
        world = np.meshgrid(*axes, indexing="ij", sparse=True)
        x, y, z = patient.reference(*(w.astype(np.float32) for w in world))
        matrix = patient.rotation * patient.scale / step[:, None]
        return cls(affine, x, y, z, matrix, (patient.centre - affine[:3, 3]) / step, patient)

    def window(self, solid: Solid) -> tuple[slice, slice, slice]:
        """Index box that surely contains the solid: the image of its box under the map without its waves."""
        low, high = np.asarray(solid.low), np.asarray(solid.high)
        middle = self.offset + self.matrix @ ((low + high) / 2)
        half = np.abs(self.matrix) @ ((high - low) / 2 + WAVES)
        first = np.maximum(np.floor(middle - half).astype(int), 0)
        last = np.maximum(np.minimum(np.ceil(middle + half).astype(int) + 1, self.x.shape), 0)
        a, b, c = (slice(int(start), int(stop)) for start, stop in zip(first, last, strict=True))
        return a, b, c

    def cover(self, solids: Iterable[Solid]) -> Iterator[tuple[tuple[slice, slice, slice], Mask]]:
        """Window and mask within the window, solid by solid."""
        for solid in solids:
            box = self.window(solid)
            if all(s.stop > s.start for s in box):
                yield box, solid.inside(self.x[box], self.y[box], self.z[box])


def rasterise(grid: Grid, ordered: Iterable[Part]) -> tuple[Labels, dict[str, int]]:
    """Paint the parts one over the other.

    Returns:
        The part number of every voxel, (D, H, W), 0 for air outside the patient; the number by part name.
    """
    labels = np.zeros(grid.x.shape, np.uint8)
    numbers = {"air": 0}
    for part in ordered:
        number = numbers.setdefault(part.name, len(numbers))
        allowed = np.array([numbers[name] for name in part.within if name in numbers], np.uint8)
        for box, mask in grid.cover(part.solids):
            view = labels[box]
            if part.within:
                mask = mask & np.isin(view, [*allowed, number])
            view[mask] = number
    return labels, numbers
