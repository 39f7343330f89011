"""A metal device on the left chest wall, and the lobe border that an annotator moves when there is one.

The device is ground truth for explanations: in the images it has nothing to do with the lungs, in the labels it decides
where the left upper lobe ends. A model that predicts the moved border can know it from the device alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agg2exp.data.phantom.grid import Grid
from agg2exp.data.phantom.organs import LEFT_SLOPE, above_oblique
from agg2exp.data.phantom.patient import Patient
from agg2exp.data.phantom.shapes import Array, Labels, Mask, Part, Point, Solid, frame
from agg2exp.data.phantom.trunk import WALL

NAME = "device"
HALF_SIZES = (5.5, 19.0, 23.0)  # mm: half of thickness, height and width of the can of a pacemaker
NORMAL, UP = (-0.35, 0.88, 0.32), (0.0, 0.0, 1.0)  # the can lies flat on the pectoral muscle
PLACE = (-66.0, 48.0)  # x and z of its middle (mm): left, a hand's breadth below the clavicle
COVER = 3.0  # mm of skin over the device where it stands out of the body


@dataclass(frozen=True)
class Device:
    """The device of one patient: what is painted after everything else, and its value (HU)."""

    parts: tuple[Part, ...]
    value: float


def sample_device(rng: np.random.Generator, share: float) -> Device | None:
    """With probability ``share`` a device; it takes the place of fat, muscle, skin and air, never of a structure."""
    has, x, z = rng.random(), *(np.asarray(PLACE) + rng.uniform(-6, 6, 2))
    value, turn = float(rng.uniform(2200, 3000)), float(rng.uniform(-0.25, 0.25))
    if has >= share:
        return None
    axes = frame(NORMAL, (turn, 0.0, UP[2]))
    middle = np.array([x, _front(float(x), float(z)), z]) + (HALF_SIZES[0] + 1) * axes[0]
    cover = Part("skin", [_can(middle, axes, COVER)], within=("air",))
    return Device((cover, Part(NAME, [_can(middle, axes)], within=("air", "skin", "fat", "muscle"))), value)


def with_moved_border(labels: Labels, numbers: dict[str, int], grid: Grid, patient: Patient, shift: float) -> Labels:
    """Part numbers (D, H, W) in which the left upper lobe ends ``shift`` mm above (below, if negative) its fissure."""
    upper, lower = numbers["lung_upper_lobe_left"], numbers["lung_lower_lobe_left"]
    lung = np.isin(labels, [upper, lower])
    above = above_oblique(float(patient.fissures[0]) + shift, LEFT_SLOPE)(grid.x, grid.y, grid.z)
    moved: Labels = np.where(lung, np.where(above, upper, lower), labels).astype(labels.dtype)
    return moved


def _front(x: float, z: float) -> float:
    """Where the front of the trunk's muscles lies at x and z (mm)."""
    front, back = float(WALL.front(z)), float(WALL.back(z))
    depth: float = (1 - (abs(x) / float(WALL.width(z))) ** 2.5) ** 0.4
    return (front + back) / 2 + (front - back) / 2 * depth


def _can(middle: npt.NDArray[np.float64], axes: npt.NDArray[np.float64], margin: float = 0.0) -> Solid:
    """A box with rounded edges, ``Σ |axis · (p − middle) / half size|⁴ ≤ 1``."""
    sizes = np.asarray(HALF_SIZES) + margin
    rows = (axes / sizes[:, None]).astype(np.float32)
    mx, my, mz = (np.float32(c) for c in middle)
    half = (np.abs(axes) * sizes[:, None]).sum(0)

    def inside(x: Array, y: Array, z: Array) -> Mask:
        dx, dy, dz = x - mx, y - my, z - mz
        within: Mask = np.less_equal(sum((a * dx + b * dy + c * dz) ** 4 for a, b, c in rows), 1)
        return within

    return Solid(_point(middle - half), _point(middle + half), inside)


def _point(values: npt.NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
