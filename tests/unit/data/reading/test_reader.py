"""An MRI with two channels and overlapping regions, from its files to a case: cropped, z-scored, its body known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from agg2exp.data.reading.annotation import AnnotationReader
from agg2exp.data.reading.reader import CaseReader
from agg2exp.data.records import CaseRecord
from agg2exp.domain.case import Case
from agg2exp.domain.files import MaskFile
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import OverlappingMasks
from agg2exp.preprocessing.base import Preprocessor
from agg2exp.preprocessing.crop import ForegroundCrop
from agg2exp.preprocessing.intensity import ZScore
from agg2exp.preprocessing.monai_preprocessing import MonaiPreprocessing
from agg2exp.preprocessing.nonzero import NonZero
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.store.nifti import to_native
from tests.helpers import cases

NATIVE = cases.scan_grid("LPS", (3.0, 3.0, 4.0))
DISTANCE = np.linalg.norm(cases.world(NATIVE), axis=-1)
LABELS = Labels(("whole", "core"), "sigmoid")
MODEL = Preprocessing("LPI", (2.5, 2.5, 2.5), crop=ForegroundCrop(), intensity=ZScore(nonzero=True), body=NonZero())


@pytest.fixture
def record(tmp_path: Path) -> CaseRecord:
    """A ball of brain in it a tumour with a core; a device far outside."""
    rng = np.random.default_rng(0)
    brain = DISTANCE < 22
    for name, level in (("t1", 100), ("flair", 900)):
        values = np.where(brain, level + 20 * rng.normal(size=NATIVE.shape), 0)
        cases.write_nifti(tmp_path / f"{name}.nii.gz", values.astype(np.float32), NATIVE)
    device = np.zeros(NATIVE.shape, bool)
    device[:2, :2, :2] = True
    for name, mask in (("whole", DISTANCE < 15), ("core", DISTANCE < 9), ("device", device)):
        cases.write_nifti(tmp_path / f"{name}.nii.gz", mask.astype(np.uint8), NATIVE)
    masks = {name: MaskFile(tmp_path / f"{name}.nii.gz") for name in ("whole", "core", "device")}
    images = (tmp_path / "t1.nii.gz", tmp_path / "flair.nii.gz")
    structures = {name: masks[name] for name in LABELS.classes}
    return CaseRecord("s1", images, structures, {"device": masks["device"]}, channels=("t1", "flair"))


def read(record: CaseRecord, preprocessing: Preprocessor = MODEL) -> Case:
    return CaseReader(preprocessing, AnnotationReader(LABELS)).read(record)


def test_channels_are_standardised_each_by_itself_within_the_crop(record: CaseRecord):
    case = read(record)
    assert case.image.shape[0] == 2
    assert case.grid.extent == pytest.approx((42, 42, 40), abs=3)  # the brain, not the scan of 72 x 60 x 56 mm
    for channel in case.image:
        inside = channel[channel != 0]
        assert float(inside.mean()) == pytest.approx(0, abs=1e-4)
        assert float(inside.std()) == pytest.approx(1, abs=1e-2)


def test_regions_that_overlap_keep_their_places_and_return_to_them(record: CaseRecord):
    case = read(record)
    assert isinstance(case.annotation, OverlappingMasks)
    assert case.annotated == (True, True)
    centre = cases.world(case.grid)
    for c, radius in enumerate((15, 9)):
        mask = case.annotation.mask(c).numpy()
        clear = np.abs(np.linalg.norm(centre, axis=-1) - radius) > 3.2
        np.testing.assert_array_equal(mask[clear], (np.linalg.norm(centre, axis=-1) < radius)[clear])
        back = to_native(mask.astype(np.uint8), case.grid, case.native, labels=True)
        assert (back != (radius > DISTANCE)).mean() < 0.01


def test_the_body_is_the_brain_and_what_lies_outside_the_crop_is_unknown(record: CaseRecord):
    case = read(record)
    volume = float(case.body.sum()) * case.grid.voxel_volume
    assert volume == pytest.approx((DISTANCE < 22).sum() * case.native.voxel_volume, rel=0.03)
    assert case.extra == {"device": None}
    (notice,) = (notice for notice in case.notices if "device" in notice)
    assert "cropped away: its importance is unknown (NaN)" in notice


def test_each_channel_has_its_window_in_the_units_of_its_file(record: CaseRecord):
    case = read(record)
    for level, (low, high) in zip((100, 900), case.origin.display, strict=True):
        assert low == 0 < level < high < level + 100
    assert all(low < 0 < high < 4 for low, high in case.shown)


def test_a_list_of_monai_reads_the_same_files(record: CaseRecord):
    case = read(record, MonaiPreprocessing([torch.sqrt], body=NonZero()))
    assert case.grid.shape == NATIVE.shape
    np.testing.assert_array_equal(case.annotation.mask(0).numpy(), DISTANCE < 15)
    np.testing.assert_array_equal(case.body.numpy(), DISTANCE < 22)
