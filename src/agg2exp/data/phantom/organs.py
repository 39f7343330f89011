"""Envelope of the trunk, lungs, back muscles and upper abdomen (reference coordinates, mm)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from agg2exp.data.phantom.patient import Patient
from agg2exp.data.phantom.shapes import Array, Inside, Mask, Part, Point, Profile, Solid, ellipsoid, frame
from agg2exp.data.phantom.structures import SIDES
from agg2exp.data.phantom.trunk import BOTTOM, CAGE, SPINE, TOP, WALL

LEFT_SLOPE = 0.90  # of the left oblique fissure, downwards to the front
PLEURA = 8.5  # the lung ends this far inside the middle surface of the ribs
WHOLE: tuple[Point, Point] = ((-230.0, -230.0, -260.0), (230.0, 230.0, 260.0))


def envelope(patient: Patient) -> Iterator[Part]:
    """Skin, fat, muscles, the space inside the cage, and breasts made of fat for women."""

    def outer(margin: float) -> list[Solid]:
        solids = [Solid(*WHOLE, lambda x, y, z: WALL.inside(x, y, z, margin))]
        if patient.sex == "f":
            size = 0.7 + 0.02 * patient.fat
            for side in SIDES.values():
                radii = (58 * size + margin, 38 * size + margin, 54 * size + margin)
                solids.append(ellipsoid((side * 66, 78, -12), radii))
        return solids

    yield Part("skin", outer(patient.fat + 2))
    yield Part("fat", outer(patient.fat))
    yield Part("muscle", [Solid(*WHOLE, WALL.inside)])
    cavity = Solid((-130, -110, BOTTOM), (130, 90, 110), lambda x, y, z: CAGE.inside(x, y, z, -7))
    yield Part("fat_inside", [cavity])


def diaphragm(patient: Patient, x: Array, y: Array) -> Array:
    """Height of the diaphragm: two domes that fall to the recess at the back and at the sides."""
    right = x > 0
    top = np.where(right, np.float32(-58), np.float32(-68)) + np.float32(patient.breath)
    beside = np.abs(x) - 58
    across = np.where(beside > 0, 50 * (beside / 55) ** 2, 14 * (beside / 58) ** 2)
    along = np.where(y > 5, 26 * ((y - 5) / 70) ** 2, 58 * ((y - 5) / 92) ** 2)
    height: Array = np.maximum(top - across - along, -140).astype(np.float32)
    return height


def abdomen(patient: Patient) -> Iterator[Part]:
    """The diaphragm (3 mm thick) and below it liver, spleen and a stomach with its bubble of air."""
    box = ((-125.0, -105.0, BOTTOM), (125.0, 95.0, -20.0))

    def below(x: Array, y: Array, z: Array) -> Mask:
        under: Mask = CAGE.inside(x, y, z, -7) & (z < diaphragm(patient, x, y))
        return under

    def liver(x: Array, y: Array, z: Array) -> Mask:
        return below(x, y, z) & (x > -50 + 0.55 * (-50 - z)) & (y > -84) & (z > -175 + 0.4 * (60 - x))

    yield Part("diaphragm", [Solid(*box, lambda x, y, z: below(x, y, z - 3))])
    yield Part("abdomen", [Solid(*box, below)])
    yield Part("liver", [Solid(*box, liver)], within=("abdomen",))
    tilt = frame((-0.8, -0.5, 0.3), (0.5, -0.8, 0.2))
    yield Part("spleen", [ellipsoid((-80, -50, -115), (26, 42, 44), tilt)], within=("abdomen",))
    yield Part("stomach", [ellipsoid((-62, 12, -106), (38, 40, 30))], within=("abdomen",))
    yield Part("stomach_air", [ellipsoid((-62, 30, -98), (24, 18, 14))], within=("stomach",))


def lungs(patient: Patient) -> Iterator[Part]:
    """Five lobes: each lung starts as its lower lobe, from which the fissures cut the others."""
    left, right, horizontal = patient.fissures

    def box(side: float) -> tuple[Point, Point]:
        low, high = sorted((side * 3.0, side * 125.0))
        return (low, -100.0, -146.0), (high, 90.0, 116.0)

    def whole(side: float) -> Solid:
        def inside(x: Array, y: Array, z: Array) -> Mask:
            above = z > diaphragm(patient, x, y) + 3
            return CAGE.inside(x, y, z, -PLEURA) & above & (x * side > 5)

        return Solid(*box(side), inside)

    def above_horizontal(x: Array, y: Array, z: Array) -> Mask:
        above: Mask = z > horizontal + 0.06 * x - 0.08 * y
        return above

    upper_left = Solid(*box(-1), above_oblique(float(left), LEFT_SLOPE))
    front_right = Solid(*box(1), above_oblique(float(right), 0.84))
    upper_right = Solid(*box(1), above_horizontal)
    yield Part("lung_lower_lobe_left", [whole(-1)])
    yield Part("lung_upper_lobe_left", [upper_left], within=("lung_lower_lobe_left",))
    yield Part("lung_lower_lobe_right", [whole(1)])
    yield Part("lung_middle_lobe_right", [front_right], within=("lung_lower_lobe_right",))
    yield Part("lung_upper_lobe_right", [upper_right], within=("lung_middle_lobe_right",))


def above_oblique(shift: float, slope: float) -> Inside:
    """What lies above an oblique fissure that is moved up by ``shift`` (mm)."""

    def inside(x: Array, y: Array, z: Array) -> Mask:
        above: Mask = z > 46 + shift - slope * (y + 85) + 0.08 * np.abs(x) + 4 * np.sin(y / 25)
        return above

    return inside


def back_muscles(patient: Patient) -> Iterator[Part]:
    """Autochthonous muscle on both sides of the spinous processes, thicker towards the loin."""
    size = Profile({-170: 1.15, -100: 1.0, -20: 0.9, 60: 0.95, 110: 0.9, 170: 0.8})
    for name, side in SIDES.items():

        def inside(x: Array, y: Array, z: Array, side: float = side) -> Mask:
            grown = size(z) * np.float32(patient.muscle)
            u = (x * side - 22 * grown) / (20 * grown)
            v = (y - SPINE(z) + 40) / (15 * grown)
            muscle: Mask = (u**2 + v**2 <= 1) & (x * side > 1) & WALL.inside(x, y, z, -3)
            return muscle

        low, high = sorted((side * 1.0, side * 60.0))
        yield Part(f"autochthon_{name}", [Solid((low, -130, BOTTOM), (high, -40, TOP), inside)])
