"""Parameters of one patient and the map from world coordinates to the reference anatomy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agg2exp.data.phantom.shapes import Array

Vector = npt.NDArray[np.float64]
WAVES = 6.0  # mm: the furthest that the three waves together move a point along one axis


@dataclass(frozen=True)
class Patient:
    """What makes one patient; lengths in mm, world axes RAS+ (x to the right, y forward, z to the head).

    A world point p belongs to the reference point ``q = Rᵀ(p − centre) / scale + u(q₀)``, where ``u`` is a
    sum of three slow sine waves. All organs are described once, in reference coordinates.
    """

    sex: str
    age: int
    scale: Vector
    rotation: Vector
    centre: Vector
    field_of_view: Vector
    fat: float
    breath: float  # height of the diaphragm relative to the reference
    heart_size: float
    heart_turn: float  # degrees about the vertical axis
    fissures: Vector  # shifts of the left oblique, right oblique and horizontal fissure
    muscle: float  # factor on the paraspinal muscles
    thyroid: float
    aorta: float
    waves: Vector  # (3, 3, 3): amplitude, wave vector (rad/mm), phase of three waves

    def reference(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Reference coordinates of broadcastable world coordinates."""
        inverse = (self.rotation.T / self.scale[:, None]).astype(np.float32)
        shifted = [w - np.float32(c) for w, c in zip((x, y, z), self.centre, strict=True)]
        q = [row[0] * shifted[0] + row[1] * shifted[1] + row[2] * shifted[2] for row in inverse]
        moved = [c.copy() for c in q]
        for amplitude, vector, phase in self.waves.astype(np.float32):
            wave = np.sin(vector[0] * q[0] + vector[1] * q[1] + vector[2] * q[2] + phase[0])
            for axis in range(3):
                moved[axis] += amplitude[axis] * wave
        return moved[0], moved[1], moved[2]


def sample_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient: women smaller on average, size, habitus, breathing, posture all varying."""
    sex = str(rng.choice(["f", "m"]))
    size = rng.uniform(0.89, 0.97) if sex == "f" else rng.uniform(0.95, 1.03)
    scale = size * rng.uniform(0.98, 1.02, 3)
    fat = rng.uniform(5.0, 15.0)
    body = scale * [2 * (138 + fat + 4), 2 * (132 + fat + 4), 318]
    field = np.clip(body + rng.uniform([18, 18, 6], [30, 30, 14]), 300, 350)
    lengths = rng.uniform(170, 280, (3, 1))
    directions = rng.normal(size=(3, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    waves = np.stack(
        [
            rng.uniform(-WAVES / 3, WAVES / 3, (3, 3)),
            2 * np.pi * directions / lengths,
            rng.uniform(0, 2 * np.pi, (3, 3)),
        ],
        1,
    )
    return Patient(
        sex=sex,
        age=int(rng.integers(20, 88)),
        scale=scale,
        rotation=_rotation(rng.uniform(-2.5, 2.5, 3)),
        centre=rng.uniform([-25, -40, -260], [25, 40, -60]),
        field_of_view=field,
        fat=fat,
        breath=rng.uniform(-9, 9),
        heart_size=rng.uniform(0.9, 1.1),
        heart_turn=rng.uniform(-10, 10),
        fissures=rng.uniform(-7, 7, 3),
        muscle=rng.uniform(0.9, 1.12),
        thyroid=rng.uniform(0.92, 1.12),
        aorta=rng.uniform(0.93, 1.1),
        waves=waves,
    )


def _rotation(degrees: Vector) -> Vector:
    """Rotation about x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        i, j = [a for a in range(3) if a != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix
