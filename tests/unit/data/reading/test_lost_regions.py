"""Regions that resampling loses are unknown, not empty, and it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.case import Case
from agg2exp.domain.errors import SettingError
from agg2exp.domain.explanation import Explanation, PassCounts
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.prediction import Prediction
from agg2exp.domain.roi_importance import Kind
from agg2exp.run.roi_importance import RoIImportanceWriter
from tests.helpers import cases

EXTRA = {"nodule": "{case}/nodule.nii.gz", "empty": "{case}/empty.nii.gz", "away": "{case}/away.nii.gz"}
NATIVE = cases.scan_grid("LPS", (2.0, 2.0, 2.0))
HIDDEN = (7, 8, 10)  # a voxel of the scan that is nearest to no voxel of an 8 mm grid


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = cases.write_data_set(tmp_path / "data", {"p": "test"})
    cases.write_case(root, "p", NATIVE)
    mask = np.zeros(NATIVE.shape, np.uint8)
    cases.write_nifti(root / "p/empty.nii.gz", mask, NATIVE)
    mask[HIDDEN] = 1
    cases.write_nifti(root / "p/nodule.nii.gz", mask, NATIVE)
    return root


def read(root: Path, resample: str = "nearest", label_map: str | None = None) -> Case:
    (record,) = cases.records(root, EXTRA, label_map)
    return cases.reader((8.0,) * 3, resample=resample).read(record)


@pytest.mark.parametrize("resample", ["nearest", "linear"])
def test_a_mask_that_is_lost_is_unknown_and_an_empty_one_is_empty(root: Path, resample: str):
    case = read(root, resample)
    assert case.extra["nodule"] is None
    assert case.extra["away"] is None
    assert not case.extra["empty"].any()
    (notice,) = [notice for notice in case.notices if "lies in the scan" in notice]
    assert all(word in notice for word in ("mask nodule", "8 x 8 x 8 mm", "NaN", "data.resample=any"))
    values = importance(case)
    assert np.isnan(values[Kind.IMPORTANCE][:, 4]).all() and np.isnan(values[Kind.VOLUME_MM3][:, 4]).all()
    assert (values[Kind.IMPORTANCE][:, 5] == 0).all()


def test_any_keeps_it_where_it_is(root: Path):
    case = read(root, "any")
    assert not any("lies in the scan" in notice for notice in case.notices)
    found = cases.world(case.grid)[case.extra["nodule"].numpy()]
    assert len(found) == 1
    true = NATIVE.affine[:3, :3] @ HIDDEN + NATIVE.affine[:3, 3]
    assert np.abs(found[0] - true).max() <= 4 + 1e-6
    assert (importance(case)[Kind.IMPORTANCE][:, 4] > 0).all()


def test_a_class_that_is_lost_has_no_dice_whatever_is_predicted(root: Path):
    lung = np.zeros(NATIVE.shape, np.uint8)
    lung[HIDDEN] = 1
    for name in ("lung_left", "lung_right"):
        cases.write_nifti(root / f"p/segmentations/{name}.nii.gz", lung, NATIVE)
    case = read(root)
    assert case.annotated == (True, False, True, True)
    assert sum("annotated class lung" in notice for notice in case.notices) == 1
    predicted = case.annotation.label_map.clone()
    for _ in range(2):
        dice, _ = dice_and_iou(ExclusiveMasks(predicted, 4), case.annotation, case.annotated)
        assert np.isnan(dice[:2]).all()
        assert np.isfinite(dice[2:]).all()
        predicted[0, 0] = 1


def test_a_label_of_an_atlas_that_is_lost_is_said(root: Path):
    atlas = np.full(NATIVE.shape, 300, np.int16)
    cases.write_nifti(root / "p/atlas.nii.gz", atlas, NATIVE)
    assert not any("label map" in notice for notice in read(root, label_map="{case}/atlas.nii.gz").notices)
    atlas[HIDDEN] = -7
    cases.write_nifti(root / "p/atlas.nii.gz", atlas, NATIVE)
    case = read(root, label_map="{case}/atlas.nii.gz")
    assert (case.label_map == 300).all()
    assert sum("a label of the label map" in notice for notice in case.notices) == 1


def test_other_rules_are_refused():
    with pytest.raises(SettingError, match="resample: expected one of 'nearest', 'any', 'linear', got 'cubic'"):
        cases.reader(resample="cubic")


def importance(case: Case) -> dict[Kind, np.ndarray]:
    """RoI importance of an attribution that is 1 everywhere."""
    logits = torch.randn(4, *case.grid.shape, generator=torch.Generator().manual_seed(0))
    explanation = Explanation(
        case_id=case.id,
        classes=(1, 2),
        prediction=Prediction.from_logits(logits),
        attribution=DenseAttribution(torch.ones(2, 1, *case.grid.shape)),
        settings={"method": "toy"},
        passes=PassCounts(1, 1),
        seconds=0.1,
    )
    writer = RoIImportanceWriter(Path("unused"), by_distance=False)
    return dict(writer.result(cases.labels(), case, explanation).importance.values)
