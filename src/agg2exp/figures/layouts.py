"""Where the regions of a graph stand: on a ring, or as in a body seen from the front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agg2exp.figures.anatomy import Anatomy

Layout = Literal["circular", "anatomical"]
LAYOUTS: tuple[Layout, ...] = ("circular", "anatomical")
Point = NDArray[np.float64]  # (2,)

# Schematic places by the structure names of TotalSegmentator: x towards the patient's left, which is at the right of
# the picture, y upwards; the heart is near (0, 0), a unit is about half a thorax. What lies behind is moved aside.
PAIRED = {  # of the left one
    "lung_upper_lobe": (0.62, 0.52),
    "lung_middle_lobe": (0.74, 0.12),
    "lung_lower_lobe": (0.66, -0.3),
    "autochthon": (0.36, -0.88),
    "clavicula": (0.5, 0.98),
    "scapula": (0.98, 0.62),
    "humerus": (1.2, 0.4),
    "subclavian_artery": (0.34, 0.86),
    "common_carotid_artery": (0.2, 1.1),
    "brachiocephalic_vein": (0.3, 0.7),
    "kidney": (0.5, -1.25),
    "adrenal_gland": (0.3, -1.05),
    "iliopsoas": (0.4, -1.75),
    "hip": (0.7, -1.9),
    "femur": (0.75, -2.3),
    "gluteus": (0.95, -2.1),
}
SINGLE = {
    "brain": (0.0, 1.75),
    "skull": (0.0, 1.55),
    "thyroid_gland": (0.0, 1.0),
    "trachea": (-0.08, 0.7),
    "esophagus": (0.12, -0.28),
    "aorta": (0.24, 0.36),
    "superior_vena_cava": (-0.3, 0.5),
    "pulmonary_vein": (-0.24, 0.2),
    "pulmonary_artery": (0.1, 0.5),
    "heart": (0.14, -0.02),
    "sternum": (-0.14, -0.3),
    "costal_cartilages": (0.26, -0.56),
    "rib": (-1.08, 0.3),
    "vertebrae": (-0.24, -0.66),
    "spinal_cord": (0.0, -0.85),
    "liver": (-0.55, -0.95),
    "spleen": (0.75, -0.95),
    "stomach": (0.4, -0.9),
    "pancreas": (0.1, -1.15),
    "gallbladder": (-0.35, -1.15),
    "duodenum": (-0.15, -1.3),
    "inferior_vena_cava": (-0.15, -1.0),
    "portal_vein": (-0.2, -1.05),
    "small_bowel": (0.1, -1.6),
    "colon": (-0.4, -1.6),
    "urinary_bladder": (0.0, -2.1),
    "prostate": (0.0, -2.3),
    "sacrum": (0.0, -1.9),
}
NAME_ROOM = np.array([0.4, 0.24])  # of neighbours along x and y, for names of two lines
MOST_PUSHES, TOUCHING = 500, 1e-6  # rounds of moving, distance that counts as none
PLACES_IN_ROW = 6  # regions in a row below the body


def ring(names: Sequence[str], anatomy: Anatomy) -> dict[str, Point]:
    """Places on the unit circle, clockwise from the top: background, then group by group."""
    groups = list(anatomy.colours)

    def rank(name: str) -> tuple[bool, int]:
        return name not in anatomy.classes[:1], groups.index(anatomy.group(name))

    ordered = sorted(names, key=rank)
    angles = math.pi / 2 - 2 * math.pi * np.arange(len(ordered)) / len(ordered)
    return {n: np.array([math.cos(t), math.sin(t)]) for n, t in zip(ordered, angles, strict=True)}


def body(names: Sequence[str], anatomy: Anatomy) -> dict[str, Point]:
    """Schematic places in a body seen from the front, the patient's left at the right.

    A class stands at the place of the structure that it is named after, and joined classes at the mean of theirs. Below
    stand those without a place: background, classes that are not in the table, extra masks.
    """
    known = {name: [p for p in map(place_of, anatomy.parts(name)) if p is not None] for name in names}
    inside = {name: np.mean(points, axis=0) for name, points in known.items() if points}
    places = dict(zip(inside, _pushed_apart(np.array(list(inside.values())).reshape(-1, 2)), strict=True))
    outside = [name for name in names if name not in places]
    lowest = min((point[1] for point in places.values()), default=0.0)
    for i, name in enumerate(outside):
        row, column = divmod(i, PLACES_IN_ROW)
        in_row = min(PLACES_IN_ROW, len(outside) - row * PLACES_IN_ROW)
        places[name] = np.array([NAME_ROOM[0] * 1.1 * (column - (in_row - 1) / 2), lowest - 0.4 - 0.3 * row])
    return {name: places[name] for name in names}


def place_of(structure: str) -> tuple[float, float] | None:
    """Schematic place of a structure by its TotalSegmentator name, of a pair in the middle; None if there is none."""
    for stem, (x, y) in PAIRED.items():
        if structure.startswith(stem):
            return x * (("_left" in structure) - ("_right" in structure)), y
    return next((place for stem, place in SINGLE.items() if structure.startswith(stem)), None)


def _pushed_apart(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move points (N, 2) as little as it takes for `NAME_ROOM`: any two differ enough in x or in y."""
    points = points.copy()
    for _ in range(MOST_PUSHES):
        apart = points[:, None] - points
        near = np.argwhere(np.triu((np.abs(apart) < NAME_ROOM - TOUCHING).all(axis=-1), 1))
        for i, j in near:
            gap = points[j] - points[i]
            short = NAME_ROOM - np.abs(gap)
            if (short > TOUCHING).all():  # not yet moved by a pair before
                axis = int((short / NAME_ROOM).argmin())  # the shorter way
                step = short[axis] / 2 * (1 if gap[axis] >= 0 else -1)
                points[j, axis] += step
                points[i, axis] -= step
        if not len(near):
            break
    return points
