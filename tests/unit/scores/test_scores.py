"""Every score against its formula, voxel by voxel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agg2exp.domain.prediction import Prediction
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import MarginScore, MeanScore, MedianScore, ProbabilityScore, Score, SumScore
from tests.helpers.networks import ToyNetwork


def by_formula(name: str, logits: Tensor, c: int) -> float:
    """f̂_c(x) written out with loops over the voxels of the mask."""
    voxels = [logits[:, i, j, k] for i, j, k in (logits.argmax(dim=0) == c).nonzero().tolist()]
    values = [float(v[c]) for v in voxels]
    if not values:
        return 0.0
    if name == "sum":
        return sum(values)
    if name == "mean":
        return sum(values) / len(values)
    if name == "median":
        return sorted(values)[(len(values) - 1) // 2]
    if name == "probability":
        weights = [float(v.softmax(dim=0)[c]) for v in voxels]
        return sum(w * f for w, f in zip(weights, values, strict=True)) / sum(weights)
    return sum(float(v[c] - v[torch.arange(len(v)) != c].max()) for v in voxels)


@pytest.mark.parametrize("score", [SumScore(), MeanScore(), MedianScore(), ProbabilityScore(), MarginScore()])
@pytest.mark.parametrize("seed", range(4))
def test_scores_equal_their_formula(score: Score, seed: int) -> None:
    network = ToyNetwork(classes=5, seed=seed).double().eval()
    image = torch.rand(1, 6, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    model = WindowedModel(network, SlidingWindow((6, 6, 6)))
    with torch.no_grad():
        logits = network(image[None])[0]
    values = model.scores(image[None], score(model.predict(image), (0, 1, 2, 3, 4)))[0]
    for c in range(5):
        assert float(values[c]) == pytest.approx(by_formula(score.name, logits, c), rel=1e-9, abs=1e-9)


def test_weights_of_normalised_scores_sum_to_one_per_class() -> None:
    prediction = Prediction.from_logits(torch.randn(4, 5, 5, 5, generator=torch.Generator().manual_seed(0)))
    for score in (MeanScore(), MedianScore(), ProbabilityScore()):
        weights = score.weights(prediction.layers[0])
        for c in prediction.label_map.unique():
            assert float(weights[prediction.label_map == c].sum()) == pytest.approx(1, rel=1e-5)


def test_adding_a_constant_to_all_logits_leaves_the_margin_alone() -> None:
    logits = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    for shift in (0.0, 7.0):
        prediction = Prediction.from_logits(logits + shift)
        scores = MarginScore()(prediction, (1,))
        assert scores.layers[0].runner_up is not None
        assert torch.equal(scores.layers[0].label_map, logits.argmax(dim=0).short())
        assert torch.equal(scores.layers[0].runner_up, logits.topk(2, dim=0).indices[1].short())


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
@pytest.mark.parametrize("score", [SumScore(), MeanScore(), MedianScore(), ProbabilityScore(), MarginScore()])
def test_weights_are_zero_outside_of_the_masks_and_finite_everywhere(score: Score, head: str) -> None:
    logits = 300 * torch.randn(3, 5, 5, 5, generator=torch.Generator().manual_seed(0))  # σ underflows to 0
    logits[1] = -300
    prediction = Prediction.from_logits(logits, head)
    for layer in score(prediction, (0, 1, 2)).layers:
        assert layer.weights.isfinite().all()
        assert not layer.weights[layer.label_map < 0].any()
        assert (layer.runner_up is not None) == (head == "softmax" and score.against_runner_up)
