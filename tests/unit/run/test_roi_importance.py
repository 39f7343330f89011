"""The writer hands the right things to the aggregation, and merges what is there."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.aggregation.local_importance import local_importance
from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.roi_importance import Kind
from agg2exp.run.roi_importance import RoIImportanceWriter
from tests.helpers.explanations import SHAPE, SPACING, explained, scheme, small_case, small_explanation

LABELS = torch.randint(4, SHAPE, generator=torch.Generator().manual_seed(5)).to(torch.int16)
ALL = (True, True, True, True)


def same(found, expected) -> None:
    assert found.status == expected.status
    assert found.sources == expected.sources
    for kind in Kind:
        np.testing.assert_array_equal(found.values[kind], expected.values[kind], err_msg=kind)


def test_regions_from_the_prediction(tmp_path: Path):
    nodule = torch.rand(SHAPE, generator=torch.Generator().manual_seed(2)) > 0.9
    case = small_case(labels=LABELS, annotated=ALL, extra={"nodule": nodule, "fluid": None})
    explanation = small_explanation(case, classes=(1, 3), absent=(3,))
    result = RoIImportanceWriter(tmp_path).result(scheme(), case, explanation)

    predicted = explanation.prediction.labels
    expected = expected_by_distance(
        "a", explanation.attribution, (1, 3), 4, predicted, predicted, case.body, (SPACING,) * 3, extra=case.extra
    )
    same(
        result.importance,
        local_importance(
            "a",
            explanation.attribution,
            (1, 3),
            scheme(),
            predicted,
            predicted,
            voxel_volume=case.grid.voxel_volume,
            extra=case.extra,
            body=case.body,
            expected=expected,
        ),
    )
    assert result.importance.status == ("ok", "absent from the prediction")
    dice, iou = dice_and_iou(predicted, LABELS, ALL, 4)
    np.testing.assert_array_equal(result.dice, dice)
    np.testing.assert_array_equal(result.iou, iou)
    assert list(result.voxels) == [int((predicted == c).sum()) for c in range(4)]
    assert result.settings == {
        "method": "toy",
        "regions": "prediction",
        "by_distance": "True",
        "importance: class": "agg2exp.run.roi_importance.RoIImportanceWriter",
        "files of the case": case.fingerprint,
    }


def test_regions_from_labels_hide_what_was_not_annotated(tmp_path: Path):
    case = small_case(labels=LABELS, annotated=(True, True, False, True))
    explanation = small_explanation(case)
    found = RoIImportanceWriter(tmp_path, regions="label", by_distance=False).result(scheme(), case, explanation)
    same(
        found.importance,
        local_importance(
            "a",
            explanation.attribution,
            (0, 1, 2, 3),
            scheme(),
            explanation.prediction.labels,
            LABELS,
            voxel_volume=case.grid.voxel_volume,
            unknown=(2,),
            body=case.body,
        ),
    )
    importance = found.importance.values[Kind.IMPORTANCE]
    assert np.isnan(importance[:, [0, 2]]).all()  # background contains what was not annotated
    assert np.isfinite(importance[:, [1, 3]]).all()
    e, inside = explanation.attribution.values[1].abs(), LABELS == 3
    assert importance[1, 3] == pytest.approx(float(e[0][inside].sum() / e.sum()), rel=1e-5)
    assert np.isnan(found.importance.values[Kind.EXPECTED_BY_DISTANCE]).all()
    assert np.isnan(found.dice[[0, 2]]).all()


def test_regions_from_labels_need_labels(tmp_path: Path):
    case = small_case("b7")
    with pytest.raises(CaseError, match="case b7: regions=label needs an annotation"):
        RoIImportanceWriter(tmp_path, regions="label").result(scheme(), case, small_explanation(case))


def test_without_labels_there_is_no_dice_and_without_body_nothing_by_distance(tmp_path: Path):
    case = small_case()
    object.__setattr__(case, "body", None)
    result = RoIImportanceWriter(tmp_path).result(scheme(), case, small_explanation(case))
    assert np.isnan(result.dice).all()
    assert np.isnan(result.iou).all()
    assert np.isnan(result.importance.values[Kind.EXPECTED_BY_DISTANCE]).all()
    assert np.isfinite(result.importance.values[Kind.IMPORTANCE]).all()


def test_other_regions_are_refused(tmp_path: Path):
    with pytest.raises(SettingError, match="regions: expected one of 'prediction', 'label', got 'both'"):
        RoIImportanceWriter(tmp_path, regions="both")


def test_poor_regions_are_told_unless_they_come_from_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    case = small_case(labels=LABELS, annotated=ALL)
    explanation = small_explanation(case)
    with caplog.at_level(logging.WARNING):
        RoIImportanceWriter(tmp_path, regions="label").result(scheme(), case, explanation)
        assert not caplog.records
        RoIImportanceWriter(tmp_path).result(scheme(), case, explanation)
    dice, _ = dice_and_iou(explanation.prediction.labels, LABELS, ALL, 4)
    (record,) = caplog.records
    for c in (1, 2, 3):
        assert f"{scheme().classes[c]} {dice[c]:.2f}" in record.getMessage()


def test_merge_takes_the_expected_cases_that_are_done(tmp_path: Path):
    writer = RoIImportanceWriter(tmp_path, by_distance=False)
    for name in ("c", "a", "old"):
        case = small_case(name, seed=ord(name[0]))
        writer.write_case(scheme(), case, small_explanation(case))
    writer.finish([], explained(), ["c", "a", "missing"])
    local = pd.read_parquet(tmp_path / "tables" / "roi_importance.parquet")
    assert list(pd.unique(local["case"])) == ["a", "c"]
    overall = pd.read_parquet(tmp_path / "tables" / "global_importance.parquet")
    assert set(overall["kind"]) == {kind.value for kind in Kind}
    assert set(overall[overall["kind"] == "importance"]["count"]) == {2}


def test_merge_without_any_case_writes_no_table(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    RoIImportanceWriter(tmp_path).finish([], explained(), ["a"])
    assert "no case was finished" in caplog.text
    assert not (tmp_path / "tables").exists()


def test_merge_refuses_cases_made_with_other_settings(tmp_path: Path):
    for name, by_distance in (("a", True), ("b", False)):
        case = small_case(name)
        RoIImportanceWriter(tmp_path, by_distance=by_distance).write_case(scheme(), case, small_explanation(case))
    with pytest.raises(ValueError, match=r"cases a and b were computed with different settings \(by_distance\)"):
        RoIImportanceWriter(tmp_path).finish([], explained(), ["a", "b"])
