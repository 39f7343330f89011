"""Between the lungs: heart, great vessels, airways, oesophagus, thyroid (reference coordinates, mm)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from agg2exp.data.phantom.patient import Patient
from agg2exp.data.phantom.shapes import (
    Array,
    Mask,
    Part,
    Point,
    Profile,
    Solid,
    ellipsoid,
    frame,
    smooth,
    tube,
)
from agg2exp.data.phantom.structures import LOBES
from agg2exp.data.phantom.trunk import BOTTOM, SPINE, TOP

HEART: Point = (-17.0, 19.0, -34.0)
CARINA: Point = (1.0, -13.0, 30.0)
TRACHEA_RADIUS = 11.0


def mediastinal_fat(patient: Patient) -> Part:
    """Fat that keeps the lungs off the midline, the spine, the heart and the aorta."""
    half_width = Profile({-146: 23, -60: 19, 0: 20, 40: 25, 80: 27, 112: 24})

    def septum(x: Array, y: Array, z: Array) -> Mask:
        narrowing = np.clip((y - 25) / 40, 0, 1) * 10  # towards the sternum
        return np.abs(x) < half_width(z) - narrowing

    solids = [Solid((-28, -110, -146), (28, 85, 116), septum)]
    solids += [_heart_solid(patient, 4.0), _atria(patient, 4.0)]
    solids += tube(_aorta_path(), _aorta_radii(patient) + 3)
    return Part("mediastinal_fat", solids, within=(*LOBES, "pleural_effusion"))


def heart(patient: Patient) -> Part:
    """All chambers with their walls: an ellipsoid, its apex to the left, front and below, and the atria."""
    return Part("heart", [_heart_solid(patient), _atria(patient)])


def heart_axes(patient: Patient) -> npt.NDArray[np.float64]:
    """Rows: long axis (towards the apex), then two short axes."""
    angle = np.deg2rad(patient.heart_turn)
    apex = (-0.66 * np.cos(angle) - 0.52 * np.sin(angle), 0.52 * np.cos(angle) - 0.66 * np.sin(angle), -0.5)
    return frame(apex, (0.5, 0.8, 0.0))


def _heart_solid(patient: Patient, margin: float = 0.0) -> Solid:
    long, deep, high = (patient.heart_size * r + margin for r in (67, 47, 47))
    return ellipsoid(HEART, (long, deep, high), heart_axes(patient))


def _atria(patient: Patient, margin: float = 0.0) -> Solid:
    wide, deep, high = (patient.heart_size * r + margin for r in (38, 24, 26))
    return ellipsoid((8, -4, -16), (wide, deep, high))


def pulmonary_veins() -> Part:
    """Two veins on each side, from the hilum into the left atrium at the back of the heart."""
    paths = [
        [(12, -12, -8), (34, -14, 0), (62, -8, 14)],
        [(10, -16, -20), (32, -28, -24), (56, -42, -32)],
        [(-14, -12, -4), (-34, -14, 4), (-60, -6, 18)],
        [(-12, -16, -18), (-34, -26, -22), (-58, -42, -30)],
    ]
    solids = [solid for path in paths for solid in tube(smooth(path, 6), np.linspace(9, 7, 6))]
    return Part("pulmonary_vein", solids)


def _aorta_path() -> npt.NDArray[np.float64]:
    """Middle line: root, arch over the left main bronchus, then down at the left front of the spine."""
    rise = [(0, 22, -8), (9, 27, 12), (15, 24, 32), (8, 18, 50), (-8, 12, 60), (-20, 2, 63), (-27, -14, 58)]
    heights = np.array([38.0, 10, -30, -70, -110, -150, BOTTOM])
    x = np.interp(heights, [-170, -120, -60, 40], [-4, -10, -20, -27])
    fall = np.stack([x, SPINE(heights) + np.interp(x, [-27, -4], [17, 29]), heights], axis=1)
    return smooth(np.concatenate([rise, fall]), 24)


def _aorta_radii(patient: Patient) -> npt.NDArray[np.float64]:
    return patient.aorta * np.linspace(15.5, 11, 24)


def aorta(patient: Patient) -> Part:
    """Ascending aorta, arch and descending aorta."""
    return Part("aorta", tube(_aorta_path(), _aorta_radii(patient)))


def other_vessels() -> Iterator[Part]:
    """Pulmonary arteries, caval veins and the vessels of the neck: visible, but of no class."""
    trunk = smooth([(-16, 36, -4), (-20, 30, 14), (-16, 12, 24)], 6)
    right = smooth([(-16, 12, 24), (4, 8, 17), (30, -4, 14), (54, -10, 4)], 8)
    left = smooth([(-16, 12, 24), (-32, -8, 26), (-52, -18, 16)], 6)
    arteries = tube(trunk, 13) + tube(right, np.linspace(11, 7, 8)) + tube(left, np.linspace(11, 7, 6))
    yield Part("pulmonary_artery", arteries)
    cava = smooth([(26, 14, -10), (29, 16, 30), (27, 20, 62), (34, 14, 92), (36, 6, 130), (34, 2, TOP)], 14)
    crossing = smooth([(27, 20, 60), (0, 30, 68), (-24, 22, 80), (-35, 10, 105), (-35, 4, TOP)], 12)
    yield Part("vein", tube(cava, 8.5) + tube(crossing, 7) + tube([(24, 2, -60), (26, 6, -30)], 11))
    right_carotid = smooth([(4, 18, 62), (14, 14, 85), (26, 0, 110), (28, 0, TOP)], 8)
    left_carotid = smooth([(-12, 8, 64), (-22, 4, 90), (-28, 0, TOP)], 8)
    yield Part("artery", tube(right_carotid, 4.5) + tube(left_carotid, 4.5))


def airways() -> Iterator[Part]:
    """Oesophagus, airway walls, the narrow lumen of the larynx, and trachea with both main bronchi."""
    upper = [(-4.0, float(SPINE(z)) + 23, float(z)) for z in np.linspace(TOP, 30, 8)]
    lower = [(-6.0, -28.0, 0.0), (-8.0, -26.0, -50.0), (-16.0, -14.0, -84.0)]
    yield Part("oesophagus", tube(smooth(upper + lower, 16), 6.5))
    yield Part("airway_wall", _airway(2.0))
    yield Part("larynx", tube([(0, 8, 140), (0, 10, 160), (0, 8, TOP)], 6.0))
    yield Part("trachea", _airway(0.0))


def trachea_path() -> npt.NDArray[np.float64]:
    """Middle line of the trachea from the neck down to the carina."""
    return smooth([(0, 8, 136), (0, 6, 115), (1, -3, 75), CARINA], 12)


def _airway(margin: float) -> list[Solid]:
    right = smooth([CARINA, (16, -16, 18), (36, -20, 2)], 5)
    left = smooth([CARINA, (-16, -17, 19), (-42, -24, 4)], 5)
    solids = tube(trachea_path(), TRACHEA_RADIUS + margin)
    return solids + tube(right, 8.5 + margin) + tube(left, 8 + margin)


def thyroid(patient: Patient) -> Part:
    """Two lobes beside the trachea and the isthmus in front of it."""
    size = patient.thyroid
    lobes = [ellipsoid((side * 19, 10, 118), (10.5 * size, 11.5 * size, 23 * size)) for side in (-1, 1)]
    return Part("thyroid_gland", [*lobes, ellipsoid((0, 20, 110), (20, 7 * size, 9 * size))])
