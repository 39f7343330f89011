"""Random training patches from preprocessed cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import (
    Compose,
    RandAffined,
    RandCropByLabelClassesd,
    RandGaussianNoised,
    RandShiftIntensityd,
    SpatialPadd,
    Transform,
)
from torch import Tensor

from agg2exp.data.reading.reader import CaseReader
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import check_range
from agg2exp.domain.masks import ExclusiveMasks


class _ReadCase(Transform):
    """Case record -> image and label map (1, D, H, W) each; nothing in it is random, so the cache keeps it."""

    def __init__(self, reader: CaseReader) -> None:
        self.reader = reader

    def __call__(self, record: CaseRecord) -> Mapping[str, Tensor]:
        case = self.reader.read(record)
        if not isinstance(case.annotation, ExclusiveMasks):
            raise RuntimeError(f"case {case.id} has no annotated label map")
        return {"image": case.image, "label": case.annotation.label_map.unsqueeze(0).float()}


class TrainingPatches:
    """Patches centred on a class drawn at random (so that small structures are seen often), lightly augmented.

    Args:
        size: (d, h, w) voxels of a patch.
        per_case: Patches cut from a case each time it is read.
        batch_size: Cases read per step; a step sees batch_size · per_case patches.
        noise: Highest standard deviation of Gaussian noise, in units of the scaled image.
        shift: Largest brightness shift, in the same units.
        rotation: Largest rotation about each axis (radians).
        scaling: Largest relative change of size.
        seed: Seed of everything random here.
        num_workers: Processes that cut patches.
    """

    def __init__(
        self,
        n_classes: int,
        size: Sequence[int],
        per_case: int = 2,
        batch_size: int = 1,
        noise: float = 0.01,
        shift: float = 0.02,
        rotation: float = 0.15,
        scaling: float = 0.1,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        check_range("per_case", per_case, 1, integer=True)
        check_range("batch_size", batch_size, 1, integer=True)
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        both = ["image", "label"]
        modes = ["bilinear", "nearest"]
        self.random = [
            SpatialPadd(both, spatial_size=size),
            RandCropByLabelClassesd(both, "label", size, num_classes=n_classes, num_samples=per_case, warn=False),
            RandAffined(
                both,
                prob=0.5,
                rotate_range=[rotation] * 3,
                scale_range=[scaling] * 3,
                mode=modes,
                padding_mode="border",
            ),
            RandGaussianNoised("image", prob=0.5, std=noise),
            RandShiftIntensityd("image", prob=0.5, offsets=shift),
        ]

    def loader(self, reader: CaseReader, records: Sequence[CaseRecord]) -> DataLoader:
        """Batches {"image": (B, 1, *size), "label": (B, 1, *size)}; cases are read once and kept in memory."""
        transform = Compose([_ReadCase(reader), *self.random]).set_random_state(seed=self.seed)
        cached: Any = CacheDataset(list(records), transform=transform, num_workers=None)
        return DataLoader(
            cached,
            batch_size=self.batch_size,
            shuffle=True,
            num_workers=self.num_workers,
            generator=torch.Generator().manual_seed(self.seed),
        )
