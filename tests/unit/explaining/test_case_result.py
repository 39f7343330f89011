"""A case and its explanation become RoI importance and the facts beside it."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.aggregation.local_importance import local_importance
from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.doubt import POOR_DICE
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import ExclusiveMasks, OverlappingMasks
from agg2exp.domain.prediction import Prediction
from agg2exp.domain.roi_importance import Kind
from agg2exp.explaining.case_result import case_result
from tests.helpers.case_regions import overlapping_labels
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


def overlapping_case(seed):
    """Case, explanation and labels of three regions of a sigmoid head, the last of which is not predicted."""
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, *SHAPE, generator=g)
    logits[2] = -1
    annotation = OverlappingMasks(torch.rand(3, *SHAPE, generator=g) < 0.5)
    case = replace(small_case(), annotation=annotation, annotated=(True, True, False))
    attribution = DenseAttribution(torch.randn(3, 1, *SHAPE, generator=g))
    prediction = Prediction.from_logits(logits, "sigmoid")
    explanation = replace(small_explanation(case), classes=(0, 1, 2), prediction=prediction, attribution=attribution)
    return case, explanation, overlapping_labels(3)


@pytest.mark.parametrize("seed", range(3))
def test_regions_that_overlap_have_a_result_of_the_same_form(seed, caplog: pytest.LogCaptureFixture):
    case, explanation, labels = overlapping_case(seed)
    with caplog.at_level(logging.WARNING):
        result = case_result(case, explanation, labels)
    bits = explanation.prediction.masks.bits
    assert result.classes == labels.classes
    assert result.importance.sources == ("background", *labels.classes)
    assert result.importance.status == ("ok", "ok", "absent from the prediction")
    assert result.voxels.tolist() == bits.flatten(1).sum(dim=1).tolist()
    e = explanation.attribution.values[0, 0].abs()
    assert result.importance.values[Kind.IMPORTANCE][0, 2] == pytest.approx(float((e * bits[1]).sum() / e.sum()), 1e-5)
    assert np.isfinite(result.importance.values[Kind.EXPECTED_BY_DISTANCE][0, 2:]).all()
    for c, truth in enumerate(case.annotation.bits[:2]):
        both, sizes = int((bits[c] & truth).sum()), int(bits[c].sum() + truth.sum())
        assert result.dice[c] == 2 * both / sizes
        assert (f"{labels.classes[c]} {result.dice[c]:.2f}" in caplog.text) == (result.dice[c] < POOR_DICE)
    assert np.isnan(result.dice[2])


def test_regions_that_overlap_come_from_their_annotation_too():
    case, explanation, labels = overlapping_case(0)
    values = case_result(case, explanation, labels, "label").importance.values[Kind.IMPORTANCE]
    assert np.isnan(values[:, [0, 3]]).all()  # where no region is known to be, and the one that was not annotated
    e, truth = explanation.attribution.values[1, 0].abs(), case.annotation.bits[0]
    assert values[1, 1] == pytest.approx(float((e * truth).sum() / e.sum()), 1e-5)


def test_channels_of_the_image_are_those_of_the_importance():
    case = replace(small_case(), image=torch.rand(2, *SHAPE), channels=("t1", "flair"))
    explanation = small_explanation(case)
    e = torch.rand(4, 2, *SHAPE)
    found = case_result(case, replace(explanation, attribution=DenseAttribution(e)), NAMES).importance
    assert found.channels == ("t1", "flair")
    inside = explanation.prediction.masks.mask(2)
    assert found.by_channel[1, 2, 1] == pytest.approx(float(e[1, 1][inside].sum() / e[1].sum()), 1e-5)
