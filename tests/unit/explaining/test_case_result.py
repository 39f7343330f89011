"""A case and its explanation become RoI importance and the facts beside it."""

import logging

import numpy as np
import pytest
import torch

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.aggregation.local_importance import local_importance
from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.roi_importance import Kind
from agg2exp.explaining.case_result import case_result
from tests.helpers.explanations import SHAPE, scheme, small_case, small_explanation

NAMES = Labels(scheme().classes)
LABELS = torch.randint(4, SHAPE, generator=torch.Generator().manual_seed(5)).to(torch.int16)
ALL = (True, True, True, True)


def same(found, expected) -> None:
    assert found.status == expected.status
    assert found.sources == expected.sources
    for kind in Kind:
        np.testing.assert_array_equal(found.values[kind], expected.values[kind], err_msg=kind)


def test_regions_from_the_prediction():
    nodule = torch.rand(SHAPE, generator=torch.Generator().manual_seed(2)) > 0.9
    case = small_case(labels=LABELS, annotated=ALL, extra={"nodule": nodule, "fluid": None})
    explanation = small_explanation(case, classes=(1, 3), absent=(3,))
    result = case_result(case, explanation, NAMES, settings={"code": "1"})

    predicted = explanation.prediction.label_map
    regions = CaseRegions.of(case, ExclusiveMasks(predicted, 4), NAMES)
    expected = expected_by_distance(explanation.attribution, (1, 3), regions)
    same(result.importance, local_importance(explanation.attribution, (1, 3), regions, expected))
    assert result.importance.status == ("ok", "absent from the prediction")
    dice, iou = dice_and_iou(ExclusiveMasks(predicted, 4), ExclusiveMasks(LABELS, 4), ALL)
    np.testing.assert_array_equal(result.dice, dice)
    np.testing.assert_array_equal(result.iou, iou)
    assert list(result.voxels) == [int((predicted == c).sum()) for c in range(4)]
    assert result.settings == {
        "method": "toy",
        "regions": "prediction",
        "by_distance": "True",
        "code": "1",
        "files of the case": case.fingerprint,
    }


def test_regions_from_labels_hide_what_was_not_annotated():
    case = small_case(labels=LABELS, annotated=(True, True, False, True))
    explanation = small_explanation(case)
    found = case_result(case, explanation, NAMES, "label", by_distance=False)
    regions = CaseRegions.of(case, explanation.prediction.masks, NAMES, "label")
    same(found.importance, local_importance(explanation.attribution, (0, 1, 2, 3), regions))
    importance = found.importance.values[Kind.IMPORTANCE]
    assert np.isnan(importance[:, [0, 2]]).all()  # background contains what was not annotated
    assert np.isfinite(importance[:, [1, 3]]).all()
    e, inside = explanation.attribution.values[1].abs(), LABELS == 3
    assert importance[1, 3] == pytest.approx(float(e[0][inside].sum() / e.sum()), rel=1e-5)
    assert np.isnan(found.importance.values[Kind.EXPECTED_BY_DISTANCE]).all()
    assert np.isnan(found.dice[[0, 2]]).all()


def test_regions_from_labels_need_labels():
    case = small_case("b7")
    with pytest.raises(CaseError, match="case b7: regions=label needs an annotation"):
        case_result(case, small_explanation(case), NAMES, "label")


def test_without_labels_there_is_no_dice_and_without_body_nothing_by_distance():
    case = small_case()
    object.__setattr__(case, "body", None)
    result = case_result(case, small_explanation(case), NAMES)
    assert np.isnan(result.dice).all()
    assert np.isnan(result.iou).all()
    assert np.isnan(result.importance.values[Kind.EXPECTED_BY_DISTANCE]).all()
    assert np.isfinite(result.importance.values[Kind.IMPORTANCE]).all()


def test_other_regions_are_refused():
    case = small_case()
    with pytest.raises(SettingError, match="regions: expected one of 'prediction', 'label', got 'both'"):
        case_result(case, small_explanation(case), NAMES, "both")


def test_poor_regions_are_told_unless_they_come_from_labels(caplog: pytest.LogCaptureFixture):
    case = small_case(labels=LABELS, annotated=ALL)
    explanation = small_explanation(case)
    with caplog.at_level(logging.WARNING):
        case_result(case, explanation, NAMES, "label")
        assert not caplog.records
        case_result(case, explanation, NAMES)
    dice, _ = dice_and_iou(explanation.prediction.masks, ExclusiveMasks(LABELS, 4), ALL)
    (record,) = caplog.records
    for c in (1, 2, 3):
        assert f"{scheme().classes[c]} {dice[c]:.2f}" in record.getMessage()
