"""Hounsfield units: tissue values, contrast phase, structure inside organs, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from agg2exp.data.phantom.grid import Grid
from agg2exp.data.phantom.mediastinum import HEART, heart_axes
from agg2exp.data.phantom.patient import Patient
from agg2exp.data.phantom.shapes import Labels, Mask, Point, Solid, ellipsoid, tube
from agg2exp.data.phantom.structures import LOBES, RIBS, VERTEBRAE

PHASES = ("native", "arterial", "venous")

# Lowest and highest mean value (HU) per contrast phase, in the order of PHASES.
CONTRAST = {
    "aorta": ((38, 50), (260, 350), (150, 190)),
    "heart": ((36, 48), (210, 290), (145, 180)),
    "pulmonary_vein": ((38, 50), (230, 320), (150, 190)),
    "pulmonary_artery": ((38, 50), (200, 320), (150, 190)),
    "artery": ((38, 50), (260, 350), (150, 190)),
    "vein": ((38, 50), (120, 250), (150, 190)),
    "heart_wall": ((36, 46), (85, 115), (95, 120)),
    "thyroid_gland": ((105, 125), (150, 185), (145, 175)),
    "liver": ((50, 65), (60, 80), (95, 120)),
    "spleen": ((42, 52), (90, 125), (105, 130)),
}
TISSUE = {
    "air": -1000,
    "skin": 0,
    "fat": -100,
    "muscle": 55,
    "fat_inside": -95,
    "diaphragm": 50,
    "abdomen": -40,
    "stomach": 25,
    "stomach_air": -960,
    "mediastinal_fat": -90,
    "oesophagus": 35,
    "airway_wall": 30,
    "larynx": -900,
    "trachea": -970,
    "disc": 80,
    "spinal_canal": 30,
    "autochthon_left": 55,
    "autochthon_right": 55,
    "costal_cartilages": 125,
    "consolidation": 45,
    "pleural_effusion": 10,
}
BONES = {**dict.fromkeys(RIBS, 330), **dict.fromkeys(VERTEBRAE, 240), "sternum": 230, "shoulder_bone": 330}
CORTEX = 650  # value at the surface of a bone


@dataclass(frozen=True)
class Appearance:
    """How one patient looks in the scanner: values by part (HU), noise (sd, HU), vessels in the lungs."""

    phase: str
    values: dict[str, float]
    cortex: float
    noise: float
    vessels: tuple[Solid, ...]


def sample_appearance(rng: np.random.Generator, patient: Patient) -> Appearance:
    """Draw a contrast phase and the tissue values; bones lose density with age."""
    column = int(rng.choice(3, p=[0.35, 0.3, 0.35]))
    values = {name: value + float(rng.normal(0, 3)) for name, value in TISSUE.items()}
    values |= {name: float(rng.uniform(*ranges[column])) for name, ranges in CONTRAST.items()}
    lung = float(rng.uniform(-845, -775))
    values |= {lobe: lung + float(rng.normal(0, 6)) for lobe in LOBES}
    density = float(rng.uniform(0.92, 1.08)) * (1.12 - 0.004 * (patient.age - 20))
    values |= {name: value * density for name, value in BONES.items()}
    return Appearance(PHASES[column], values, CORTEX * density, float(rng.uniform(8, 25)), _lung_vessels(rng))


def _lung_vessels(rng: np.random.Generator) -> tuple[Solid, ...]:
    """Straight branches that leave each hilum in all directions and taper."""
    solids: list[Solid] = []
    for side in (-1.0, 1.0):
        hilum = np.array([side * 42, -14, 4])
        for _ in range(26):
            tip = np.array([side * rng.uniform(45, 105), rng.uniform(-80, 60), rng.uniform(-90, 90)])
            bend = (hilum + tip) / 2 + rng.normal(0, 8, 3)
            solids += tube([hilum, bend, tip], [4.2, 2.8, 1.2])
    return tuple(solids)


def render(
    grid: Grid,
    labels: Labels,
    numbers: dict[str, int],
    look: Appearance,
    consolidation: Mask,
    rng: np.random.Generator,
) -> npt.NDArray[np.int16]:
    """Image (D, H, W) in HU: tissue values, inner structure, blur of about half a voxel, Gaussian noise."""
    table = np.zeros(len(numbers), np.float32)
    for name, number in numbers.items():
        table[number] = look.values[name]
    image = table[labels]
    spacing = np.abs(np.diag(grid.affine)[:3])
    lung = np.isin(labels, [numbers[lobe] for lobe in LOBES])
    _texture_lungs(image, lung, grid, look, spacing, rng)
    _shade_heart(image, labels == numbers["heart"], grid, look)
    _shade_bones(image, labels, numbers, look, spacing)
    image[consolidation] = look.values["consolidation"]
    image = gaussian_filter(image, 0.5)
    image += np.float32(look.noise) * rng.standard_normal(image.shape, np.float32)
    hounsfield: npt.NDArray[np.int16] = np.clip(np.rint(image), -1024, 3071).astype(np.int16)
    return hounsfield


def _texture_lungs(
    image: npt.NDArray[np.float32],
    lung: Mask,
    grid: Grid,
    look: Appearance,
    spacing: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Slow density variation, denser towards the back where the patient lies, and vessels."""
    waves = gaussian_filter(rng.standard_normal(image.shape, np.float32), 10 / spacing)
    waves *= 12 / max(float(waves.std()), 1e-6)
    image[lung] += waves[lung] - 0.18 * grid.y[lung]
    for box, mask in grid.cover(look.vessels):
        image[box][mask & lung[box]] = -60  # thinner than a voxel in places: between blood and air


def _shade_heart(image: npt.NDArray[np.float32], heart: Mask, grid: Grid, look: Appearance) -> None:
    """Wall of the ventricles around two chambers; the atria are all blood."""
    patient = grid.patient
    long, side, up = heart_axes(patient)
    size = patient.heart_size
    axes = np.stack([long, side, up])
    wall = ellipsoid(_shift(HEART, 16 * long), (49 * size, 46 * size, 46 * size), axes)
    left = ellipsoid(_shift(HEART, 12 * long - 15 * side), (36 * size, 20 * size, 23 * size), axes)
    right = ellipsoid(_shift(HEART, 6 * long + 22 * side), (38 * size, 15 * size, 28 * size), axes)
    for solid, name in ((wall, "heart_wall"), (left, "heart"), (right, "heart")):
        for box, mask in grid.cover([solid]):
            image[box][mask & heart[box]] = look.values[name]


def _shade_bones(
    image: npt.NDArray[np.float32],
    labels: Labels,
    numbers: dict[str, int],
    look: Appearance,
    spacing: npt.NDArray[np.float64],
) -> None:
    """Dense cortex around spongy bone: a blurred mask is 1/2 at the surface and near 1 inside."""
    bone = np.isin(labels, [number for name, number in numbers.items() if name in BONES])
    depth = 2 * (1 - gaussian_filter(bone.astype(np.float32), 1.8 / spacing)[bone])
    inner = image[bone]
    image[bone] = inner + (look.cortex - inner) * np.clip(depth, 0, 1)


def _shift(point: Point, by: npt.NDArray[np.float64]) -> Point:
    x, y, z = np.asarray(point) + by
    return float(x), float(y), float(z)
