"""Findings: consolidation inside a lobe, and fluid around a lung."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agg2exp.data.phantom.grid import Grid
from agg2exp.data.phantom.shapes import Array, Labels, Mask, Part, Solid, ellipsoid
from agg2exp.data.phantom.structures import LOBES, PATHOLOGIES, SIDES
from agg2exp.data.phantom.trunk import CAGE


@dataclass(frozen=True)
class Finding:
    """One pathology: its name, where it lies (a lobe or a side) and its solids."""

    name: str
    location: str
    part: Part

    def mask(self, grid: Grid, labels: Labels, numbers: dict[str, int]) -> Mask:
        """Voxels of the finding (D, H, W): fluid was painted, a consolidation lies within a painted lobe."""
        if self.name in numbers:
            painted: Mask = labels == numbers[self.name]
            return painted
        found = np.zeros(labels.shape, bool)
        for box, mask in grid.cover(self.part.solids):
            found[box] |= mask & np.isin(labels[box], [numbers[name] for name in self.part.within])
        return found


CENTRES = {
    "lung_upper_lobe_left": (-62.0, 25.0, 30.0),
    "lung_lower_lobe_left": (-66.0, -55.0, -30.0),
    "lung_upper_lobe_right": (64.0, 5.0, 45.0),
    "lung_middle_lobe_right": (66.0, 42.0, -22.0),
    "lung_lower_lobe_right": (66.0, -55.0, -30.0),
}


def sample_findings(rng: np.random.Generator, share: float) -> tuple[Finding, ...]:
    """With probability ``share`` one finding, and sometimes both kinds."""
    ill, both, first = rng.random(), rng.random(), rng.integers(2)
    findings = (_consolidation(rng), _effusion(rng))
    if ill >= share:
        return ()
    return findings if both < 0.15 else (findings[first],)


def _consolidation(rng: np.random.Generator) -> Finding:
    """A lump of five overlapping balls. The lobe's mask keeps covering it."""
    lobe = str(rng.choice(LOBES))
    middle = np.asarray(CENTRES[lobe]) + rng.uniform(-10, 10, 3)
    balls = []
    for _ in range(5):
        x, y, z = (float(c) for c in middle + rng.uniform(-13, 13, 3))
        a, b, c = (float(r) for r in rng.uniform(12, 24, 3))
        balls.append(ellipsoid((x, y, z), (a, b, c)))
    return Finding(PATHOLOGIES[0], lobe, Part(PATHOLOGIES[0], balls, within=(lobe,)))


def _effusion(rng: np.random.Generator) -> Finding:
    """Fluid that settles at the back and base of one pleural space of a patient lying on the back.

    The lobes' masks exclude it: the fluid lies outside the lung.
    """
    name = str(rng.choice(list(SIDES)))
    side = SIDES[name]
    depth, top = float(rng.uniform(24, 46)), float(rng.uniform(0, 70))

    def inside(x: Array, y: Array, z: Array) -> Mask:
        layer = depth * np.clip((top - z) / 110, 0, 1) ** 0.6
        meniscus = 0.10 * np.clip(np.abs(x) - 50, 0, None)
        fluid: Mask = y < CAGE.back(z) + 9 + layer + meniscus * (layer > 0)
        return fluid

    low, high = sorted((side * 5.0, side * 125.0))
    lobes = tuple(lobe for lobe in LOBES if lobe.endswith(name))
    part = Part(PATHOLOGIES[1], [Solid((low, -100, -146), (high, 40, top), inside)], within=lobes)
    return Finding(PATHOLOGIES[1], f"pleura_{name}", part)
