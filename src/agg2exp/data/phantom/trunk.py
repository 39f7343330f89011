"""Shape of the trunk: rib cage, chest wall and spine as functions of height (reference coordinates, mm)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agg2exp.data.phantom.shapes import Array, Mask, Profile

TOP, BOTTOM = 190.0, -190.0  # beyond every field of view


@dataclass(frozen=True)
class Contour:
    """A stack of superellipses ``|x/w|^2.5 + |(y − c)/b|^2.5 = 1`` whose size depends on the height z."""

    width: Profile
    front: Profile
    back: Profile

    def inside(self, x: Array, y: Array, z: Array, margin: float = 0.0) -> Mask:
        """Points inside the contour moved outwards by about ``margin`` mm."""
        front, back = self.front(z), self.back(z)
        u = np.abs(x) / np.maximum(self.width(z) + np.float32(margin), 1)
        v = np.abs(y - (front + back) / 2) / np.maximum((front - back) / 2 + np.float32(margin), 1)
        within: Mask = u * u * np.sqrt(u) + v * v * np.sqrt(v) <= 1
        return within

    def surface(self, angle: npt.NDArray[np.float64], z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Points ``(N, 3)`` at angles 0 (back) to π (front) on the side of positive x."""
        front, back = self.front(z), self.back(z)
        sine, cosine = np.sin(angle), np.cos(angle)
        x = self.width(z) * np.abs(sine) ** 0.8
        y = (front + back) / 2 - (front - back) / 2 * np.sign(cosine) * np.abs(cosine) ** 0.8
        return np.stack([x, y, z], axis=1)


# The surface on which the middle lines of the ribs, the cartilages and the sternum lie.
CAGE = Contour(
    width=Profile({-170: 110, -130: 115, -90: 120, -45: 121, 0: 113, 40: 97, 62: 83, 82: 64, 100: 47, 114: 30}),
    front=Profile({-170: 72, -130: 77, -80: 82, -40: 79, 10: 70, 50: 55, 74: 41, 90: 24, 102: 10, 114: -12}),
    back=Profile({-170: -80, -110: -87, -60: -94, 0: -97, 40: -93, 80: -82, 100: -72, 114: -60}),
)
# Outer surface of the muscles, below the fat.
WALL = Contour(
    width=Profile({-170: 128, -90: 135, -40: 137, 20: 138, 60: 137, 85: 130, 104: 106, 120: 74, 136: 58, 170: 55}),
    front=Profile({-170: 86, -80: 95, -40: 92, 10: 84, 50: 70, 76: 56, 95: 46, 120: 39, 145: 36, 170: 38}),
    back=Profile({-170: -108, -100: -118, -40: -126, 20: -127, 60: -120, 100: -105, 130: -90, 170: -84}),
)
# Position of the middle of the vertebral bodies: lordosis of the neck, kyphosis of the thorax.
SPINE = Profile({-190: -42, -150: -45, -100: -54, -40: -62, 20: -62, 60: -55, 100: -43, 130: -34, 190: -30})
