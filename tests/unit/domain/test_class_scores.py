"""Scores as constants, read off a prediction without a further pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agg2exp.domain.class_scores import ClassScores, RecomputedScores
from agg2exp.domain.errors import SettingError
from agg2exp.domain.prediction import Prediction
from agg2exp.scores import MarginScore, MeanScore, MedianScore, ProbabilityScore, Score, SumScore
from tests.unit.inference.slow import literal_score, relative, score_of

SHAPE = (5, 4, 6)
SCORES: list[Score] = [SumScore(), MeanScore(), MedianScore(), ProbabilityScore(), MarginScore()]


def logits_of(seed: int) -> Tensor:
    """Five classes, the third of them absent."""
    logits = torch.randn(5, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    logits[2] = -50
    return logits


@pytest.mark.parametrize("score", SCORES, ids=lambda s: s.name)
@pytest.mark.parametrize("seed", range(3))
def test_value_at_the_prediction_is_the_score_of_its_logits(score: Score, seed: int) -> None:
    logits = logits_of(seed)
    prediction = Prediction.from_logits(logits)
    classes = (4, 0, 2)
    scores = score(prediction, classes)
    assert scores.is_of(prediction)
    values = scores.value_at(prediction)
    assert values.dtype == torch.float64
    assert relative(values, torch.stack([literal_score(score, logits, c) for c in classes])) < 1e-12
    assert relative(values, torch.stack([score_of(logits, scores, c) for c in classes])) < 1e-12
    assert values[2] == 0


def test_scores_of_other_masks_or_another_runner_up_are_not_of_the_prediction() -> None:
    prediction = Prediction.from_logits(logits_of(0))
    scores = MarginScore()(prediction, (0, 1))
    (layer,) = scores.layers

    def with_layer(**changed: Tensor | None) -> ClassScores:
        return replace(scores, layers=(replace(layer, **changed),))

    assert scores.is_of(prediction)
    assert with_layer(weights=layer.weights * 2).is_of(prediction)
    assert with_layer(runner_up=None).is_of(prediction)
    assert scores.copy().is_of(prediction)
    assert scores.is_of(Prediction.from_logits(logits_of(0)))
    changed = layer.label_map.clone()
    changed[0, 0, 0] = -1
    assert not with_layer(label_map=changed).is_of(prediction)
    assert not with_layer(label_map=layer.label_map.long()).is_of(prediction)
    assert not with_layer(runner_up=torch.zeros_like(layer.label_map)).is_of(prediction)
    assert not scores.is_of(Prediction.from_logits(logits_of(1)))
    assert not replace(scores, layers=(layer, layer)).is_of(prediction)


def test_a_rule_that_changes_the_prediction_changes_a_copy() -> None:
    prediction = Prediction.from_logits(logits_of(0))
    before = prediction.label_map.clone()

    def largest_only(p: Prediction) -> ClassScores:
        p.label_map[:1] = -1
        return MeanScore()(replace(p, layers=(replace(p.layers[0], label_map=p.label_map.clamp(min=0)),)), (0, 1))

    at = RecomputedScores((0, 1), prediction.masks, largest_only).at(prediction)
    assert torch.equal(prediction.label_map, before)
    assert not at.is_of(prediction)


def test_volumes_of_scores_have_one_shape() -> None:
    labels = torch.zeros(4, 3, 5, dtype=torch.int16)
    with pytest.raises(SettingError, match=r"scores.weights: expected the shape of the label map \(4, 3, 5\), got"):
        ClassScores.of((0,), labels, torch.ones(4, 3, 6))
    with pytest.raises(SettingError, match=r"scores\.runner_up"):
        ClassScores.of((0,), labels, torch.ones(4, 3, 5), torch.zeros(5, 3, 4, dtype=torch.int16))


def test_recomputed_scores_follow_the_prediction_for_their_own_classes() -> None:
    first, second = (Prediction.from_logits(logits_of(seed)) for seed in (0, 1))
    scores = RecomputedScores((3, 1), first.masks, lambda p: MeanScore()(p, (0, 1, 2, 3, 4)))
    for prediction in (first, second):
        at, expected = scores.at(prediction), MeanScore()(prediction, (3, 1))
        assert isinstance(at, ClassScores)
        assert at.classes == (3, 1)
        assert at.is_of(prediction)
        assert torch.equal(at.layers[0].weights, expected.layers[0].weights)
