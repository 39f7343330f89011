"""Analytic solids in patient coordinates (mm) and how they are painted onto a voxel grid."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint8]
Point = tuple[float, float, float]
Inside = Callable[[Array, Array, Array], Mask]


class Profile:
    """A smooth monotone-between-knots function of one coordinate, fast on large arrays.

    Args:
        knots: value by coordinate; constant outside the outermost knots.
    """

    STEP = 0.25  # mm between tabulated values

    def __init__(self, knots: dict[float, float]) -> None:
        places = sorted(knots)
        self.start, self.end = places[0], places[-1]
        dense = np.arange(self.start, self.end + self.STEP, self.STEP)
        curve = PchipInterpolator(places, [knots[p] for p in places])
        self.table = curve(np.minimum(dense, self.end)).astype(np.float32)

    def __call__(self, t: npt.ArrayLike) -> Array:
        """Values at ``t``, from the nearest tabulated place."""
        place = (np.clip(np.asarray(t, np.float32), self.start, self.end) - self.start) / self.STEP
        values: Array = self.table[(place + 0.5).astype(np.int32)]
        return values


@dataclass(frozen=True)
class Solid:
    """The set of points within the box ``[low, high]`` (mm) for which ``inside(x, y, z)`` holds."""

    low: Point
    high: Point
    inside: Inside


@dataclass(frozen=True)
class Part:
    """A named union of solids. ``within`` restricts it to voxels that already carry one of these names."""

    name: str
    solids: Sequence[Solid]
    within: Collection[str] = field(default=())


def ellipsoid(centre: Point, radii: Point, axes: npt.ArrayLike | None = None) -> Solid:
    """Points with ``|diag(1/radii) · axes · (p − centre)| ≤ 1``; the rows of ``axes`` are orthonormal."""
    frame = np.eye(3) if axes is None else np.asarray(axes, float)
    half = np.sqrt(((frame * np.asarray(radii)[:, None]) ** 2).sum(0))
    rows = (frame / np.asarray(radii)[:, None]).astype(np.float32)
    low, high = np.asarray(centre) - half, np.asarray(centre) + half

    def inside(x: Array, y: Array, z: Array) -> Mask:
        dx, dy, dz = x - np.float32(centre[0]), y - np.float32(centre[1]), z - np.float32(centre[2])
        near: Mask = np.less_equal(sum((a * dx + b * dy + c * dz) ** 2 for a, b, c in rows), 1)
        return near

    return Solid(_point(low), _point(high), inside)


def tube(points: npt.ArrayLike, radii: npt.ArrayLike) -> list[Solid]:
    """Points closer to a polyline ``(N, 3)`` than the radius interpolated along it; a capsule per segment."""
    path = np.asarray(points, float)
    width = np.broadcast_to(np.asarray(radii, float), len(path))
    return [_capsule(*ends) for ends in zip(path[:-1], path[1:], width[:-1], width[1:], strict=True)]


def smooth(points: npt.ArrayLike, count: int) -> npt.NDArray[np.float64]:
    """``count`` points evenly spread along a smooth curve through ``points`` (shape-preserving cubic)."""
    path = np.asarray(points, float)
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    return np.asarray(PchipInterpolator(arc, path)(np.linspace(0.0, arc[-1], count)))


def frame(first: Point, second: Point) -> npt.NDArray[np.float64]:
    """Orthonormal rows: the first direction, the second made orthogonal to it, and their cross product."""
    a = np.asarray(first) / np.linalg.norm(first)
    b = np.asarray(second) - a * (a @ np.asarray(second))
    b /= np.linalg.norm(b)
    return np.stack([a, b, np.cross(a, b)])


def _capsule(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], ra: float, rb: float) -> Solid:
    radius = max(ra, rb)
    axis = (b - a).astype(np.float32)
    origin = a.astype(np.float32)
    length2 = max(float(axis @ axis), 1e-6)

    def inside(x: Array, y: Array, z: Array) -> Mask:
        dx, dy, dz = x - origin[0], y - origin[1], z - origin[2]
        t = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / np.float32(length2), 0, 1)
        gap2 = (dx - t * axis[0]) ** 2 + (dy - t * axis[1]) ** 2 + (dz - t * axis[2]) ** 2
        near: Mask = gap2 <= (ra + t * (rb - ra)) ** 2
        return near

    return Solid(_point(np.minimum(a, b) - radius), _point(np.maximum(a, b) + radius), inside)


def _point(values: npt.NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
