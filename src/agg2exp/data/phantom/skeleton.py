"""Bones and cartilages: vertebral column, ribs, costal cartilages, sternum, clavicles, shoulder blades."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from agg2exp.data.phantom.shapes import Array, Mask, Part, Profile, Solid, ellipsoid, frame, smooth, tube
from agg2exp.data.phantom.structures import SIDES, VERTEBRAE
from agg2exp.data.phantom.trunk import BOTTOM, CAGE, SPINE, TOP

RIB_RADIUS = 6.0
CARTILAGE_RADIUS = 6.5
T1_HEIGHT = 100.0
RIB_ENDS = (60, 36, 12, -14, -40, -64, -86, -104, -118, -129, -132, -140)  # height of the front ends
RIB_ANGLES = (2.55, 2.5, 2.42, 2.38, 2.3, 2.2, 2.08, 1.98, 1.86, 1.74, 1.35, 0.95)  # π is the front midline
STERNAL_NOTCHES = (66, 44, 24, 4, -14, -30, -44)  # height where the cartilages 1 to 7 meet the sternum


def vertebral_levels() -> dict[str, tuple[float, float]]:
    """Height of the middle and distance to the next vertebra (mm) of every vertebra, by mask name."""
    pitch = np.array([15.0] * 7 + list(np.linspace(17.5, 24, 12)) + [27, 28, 29, 29, 29] + [29])
    middle = -np.concatenate([[0.0], np.cumsum((pitch[:-1] + pitch[1:]) / 2)])
    middle += T1_HEIGHT - middle[7]
    return {name: (float(z), float(p)) for name, z, p in zip(VERTEBRAE, middle, pitch, strict=True)}


def column() -> Iterator[Part]:
    """Discs (unlabelled), vertebrae with arch and processes, and the canal that runs through them."""
    heights = np.arange(BOTTOM, TOP, 8.0)
    middle = np.stack([0 * heights, SPINE(heights), heights], axis=1)
    yield Part("disc", tube(middle, 14.5))
    for name, (z, pitch) in vertebral_levels().items():
        if BOTTOM < z < TOP:
            yield Part(name, list(_vertebra(z, pitch)))
    yield Part("spinal_canal", tube(middle - [0, 23.5, 0], 8.0))


def _vertebra(level: float, pitch: float) -> Iterator[Solid]:
    wide = 0.75 + 0.0128 * pitch  # neck vertebrae are smaller than lumbar ones
    half = 0.41 * pitch

    def body(x: Array, y: Array, z: Array) -> Mask:
        r2 = (x / np.float32(17.5 * wide)) ** 2 + ((y - SPINE(z)) / np.float32(15 * wide)) ** 2
        bone: Mask = (r2 <= 1) & (np.abs(z - level) <= half)
        return bone

    def arch(x: Array, y: Array, z: Array) -> Mask:
        behind = SPINE(z) - y
        tilted = np.abs(z - level + np.float32(0.35) * (behind - 20)) <= np.float32(0.39 * pitch)
        ring = x**2 + (behind - 23.5) ** 2 <= 13.5**2
        spinous = (np.abs(x) <= 4.5) & (behind > 23) & (behind < 48)
        bone: Mask = tilted & (ring | spinous)
        return bone

    y = float(SPINE(level))
    yield Solid((-22, y - 22, level - half), (22, y + 22, level + half), body)
    yield Solid((-15, y - 55, level - 35), (15, y - 5, level + 25), arch)
    for side in SIDES.values():
        yield from tube([(side * 12, y - 24, level), (side * 30, y - 31, level - 2)], [6.5, 5.5])


def ribs() -> Iterator[Part]:
    """Twelve pairs: head beside the vertebra, back to the angle, around the cage and down to the front."""
    levels = vertebral_levels()
    for name, side in SIDES.items():
        for number in range(1, 13):
            path = _rib(number, levels[f"vertebrae_T{number}"][0]) * [side, 1, 1]
            yield Part(f"rib_{name}_{number}", tube(path, RIB_RADIUS))


def _rib(number: int, level: float) -> npt.NDArray[np.float64]:
    end, last = RIB_ENDS[number - 1], RIB_ANGLES[number - 1]
    first = 0.32 if number > 1 else 0.55
    t = np.linspace(0, 1, 16)
    height = level + 2 + (end - level - 2) * (0.1 * t + 0.9 * t**1.35)
    around = CAGE.surface(first + (last - first) * t, height)
    y = float(SPINE(level))
    head = [(19.0, y - 10, level + 4), (32.0, y - 24, level + 4)]
    return smooth(np.concatenate([head, around]), 16 if number < 11 else 9)


def costal_cartilages() -> Part:
    """Cartilages 1 to 7 reach the sternum, 8 to 10 lean on the one above (the costal arch)."""
    paths: list[npt.NDArray[np.float64]] = []
    for number in range(1, 11):
        end, angle = RIB_ENDS[number - 1], RIB_ANGLES[number - 1]
        t = np.linspace(0, 1, 12)
        if number <= 7:
            to, goal = STERNAL_NOTCHES[number - 1], 2.98
            height = end + (to - end) * (0.35 * t + 0.65 * t**2) - 5 * np.sin(np.pi * t)
            paths.append(CAGE.surface(angle + (goal - angle) * t, height))
        else:
            start = CAGE.surface(np.array([angle]), np.array([float(end)]))
            paths.append(smooth(np.concatenate([start, paths[-1][4:5]]), 6))
    mirrored = [path * [side, 1, 1] for side in SIDES.values() for path in paths]
    solids = [solid for path in mirrored for solid in tube(path, CARTILAGE_RADIUS)]
    return Part("costal_cartilages", solids)


def sternum() -> Part:
    """Manubrium, body and xiphoid process: a plate of 15 mm on the front of the cage."""
    half_width = Profile({-76: 6, -62: 9, -56: 17, -20: 18, 20: 15, 42: 16, 52: 21, 70: 27, 76: 22})

    def inside(x: Array, y: Array, z: Array) -> Mask:
        across = np.abs(x) / half_width(z)
        plate: Mask = across**4 + ((y - CAGE.front(z)) / np.float32(7.5)) ** 4 <= 1
        return plate

    return Part("sternum", [Solid((-28, 20, -76), (28, 95, 76), inside)])


def shoulders() -> Part:
    """Clavicles and shoulder blades: bone that belongs to no class."""
    solids: list[Solid] = []
    for side in SIDES.values():
        collar = [(side * 26, 43, 80), (side * 55, 40, 90), (side * 88, 14, 97), (side * 112, -12, 92)]
        solids += tube(smooth(collar, 8), 5.5)
        axes = frame((side * 0.78, -0.62, 0.08), (side * 0.62, 0.78, 0.0))
        solids.append(ellipsoid((side * 92, -86, 42), (5, 34, 58), axes))
    return Part("shoulder_bone", solids)
