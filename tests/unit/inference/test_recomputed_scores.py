"""Mask policy `recomputed` against Eq. 2 read literally: stitch all logits of each image, take its argmax, score it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agg2exp.domain.class_scores import ClassScores, RecomputedScores
from agg2exp.domain.prediction import Prediction
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import MarginScore, MeanScore, MedianScore, ProbabilityScore, Score, SumScore
from tests.helpers.networks import ToyNetwork
from tests.unit.inference.slow import literal_score, relative, stitched_logits

ALL = (0, 1, 2, 3)
SCORES: list[Score] = [SumScore(), MeanScore(), MedianScore(), ProbabilityScore(), MarginScore()]
SHAPES_AND_WINDOWS = [
    ((11, 8, 13), SlidingWindow((8, 8, 8), 0.5, "gaussian", 3)),
    ((6, 9, 7), SlidingWindow((8, 8, 8), 0.25, "constant", 2, pad=0.4)),
]


def recomputed(score: Score, prediction: Prediction, classes: tuple[int, ...] = ALL) -> RecomputedScores:
    return RecomputedScores(classes, prediction.masks, lambda p: score(p, ALL))


def perturbed(shape: tuple[int, int, int], n: int = 3) -> Tensor:
    """An image and noisy versions of it whose predictions differ, (n, 1, D, H, W) float64."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, *shape, dtype=torch.float64, generator=generator)
    return torch.stack([image + 0.5 * i * torch.randn(1, *shape, dtype=torch.float64, generator=generator)
                        for i in range(n)])  # fmt: skip


@pytest.mark.parametrize("score", SCORES, ids=lambda s: s.name)
@pytest.mark.parametrize(("shape", "settings"), SHAPES_AND_WINDOWS)
def test_scores_and_gradients_equal_the_literal_definition(
    score: Score, shape: tuple[int, int, int], settings: SlidingWindow
) -> None:
    network = ToyNetwork().double().eval()
    images = perturbed(shape)
    model = WindowedModel(network, settings)
    prediction = model.predict(images[0])
    assert not torch.equal(prediction.label_map, model.predict(images[2]).label_map)
    scores = recomputed(score, prediction)

    before = model.passes.window_forwards
    values = model.scores(images, scores)
    assert model.passes.window_forwards - before == 3 * len(model.plan(images).windows)  # one pass, also for the margin
    x = images.clone().requires_grad_()
    expected = torch.stack([
        torch.stack([literal_score(score, stitched_logits(network, image, settings), c) for c in ALL]) for image in x
    ])  # fmt: skip
    assert values.dtype == torch.float64
    assert relative(values, expected) < 1e-10

    gradient = model.gradient(images, scores)
    for c in ALL:
        (by_autograd,) = torch.autograd.grad(expected[:, c].sum(), x, retain_graph=True)
        assert relative(gradient[c], by_autograd.sum(dim=0)) < 1e-10
    weighted = model.gradient(images[:2], scores, out=gradient.clone(), weights=[0.0, -1.0])
    rest = model.gradient(images[[0, 2]], scores)
    assert relative(weighted, rest) < 1e-10


@pytest.mark.parametrize("score", SCORES, ids=lambda s: s.name)
def test_coalitions_equal_the_literal_definition(score: Score) -> None:
    shape, settings = SHAPES_AND_WINDOWS[0]
    network = ToyNetwork().double().eval()
    image, baseline = perturbed(shape, 2)
    partition = (torch.arange(13) // 4).expand(shape)
    members = torch.rand(7, 4, generator=torch.Generator().manual_seed(1)) < 0.5
    told: list[int] = []
    model = WindowedModel(network, settings, told.append)
    scores = recomputed(score, model.predict(image), (3, 1))
    before = model.passes.window_forwards
    values = model.coalition_scores(image, baseline, partition, members, scores)
    for n, z in enumerate(members):
        logits = stitched_logits(network, torch.where(z[partition], image, baseline), settings)
        assert relative(values[n], torch.stack([literal_score(score, logits, c) for c in (3, 1)])) < 1e-10
    windows = len(model.plan(image).windows)
    assert model.passes.window_forwards - before == len(members) * windows
    assert sum(told) - before == len(members) * windows


@pytest.mark.parametrize("score", SCORES, ids=lambda s: s.name)
def test_both_policies_agree_where_nothing_is_perturbed(score: Score) -> None:
    shape, settings = SHAPES_AND_WINDOWS[0]
    images = perturbed(shape, 1)
    model = WindowedModel(ToyNetwork().double(), settings)
    prediction = model.predict(images[0])
    fixed, literal = score(prediction, ALL), recomputed(score, prediction)
    assert relative(model.scores(images, literal), model.scores(images, fixed)) < 1e-12
    assert torch.equal(model.gradient(images, literal), model.gradient(images, fixed))


def test_a_rule_that_changes_the_masks_takes_a_second_pass() -> None:
    """A user's scores inside the left half alone."""
    shape, settings = SHAPES_AND_WINDOWS[0]
    half = torch.zeros(shape, dtype=torch.bool)
    half[..., :4] = True

    def rule(prediction: Prediction) -> ClassScores:
        scores = MarginScore()(prediction, ALL)
        (layer,) = scores.layers
        return replace(scores, layers=(replace(layer, label_map=torch.where(half, layer.label_map, -1)),))

    network, images = ToyNetwork().double().eval(), perturbed(shape)
    told: list[int] = []
    model = WindowedModel(network, settings, told.append)
    scores = RecomputedScores((2, 0, 3), model.predict(images[0]).masks, rule)
    told.clear()
    before = model.passes.window_forwards
    values, gradient = model.scores(images, scores), model.gradient(images, scores)
    windows = model.plan(images).windows
    touched = sum(bool(half[w].any()) for w in windows)
    assert 0 < touched < len(windows)
    assert model.passes.window_forwards - before == 2 * 3 * (len(windows) + touched)
    assert sum(told) == 2 * 3 * len(windows)  # an image is done once, however many passes it takes

    x = images.clone().requires_grad_()
    for k, c in enumerate(scores.classes):
        literal = []
        for image in x:
            logits = stitched_logits(network, image, settings)
            two = logits.topk(2, dim=0)
            margin = logits.gather(0, two.indices[:1])[0] - logits.gather(0, two.indices[1:])[0]
            literal.append(margin[half & (two.indices[0] == c)].sum())
        assert relative(values[:, k], torch.stack(literal)) < 1e-10
        (by_autograd,) = torch.autograd.grad(torch.stack(literal).sum(), x)
        assert relative(gradient[k], by_autograd.sum(dim=0)) < 1e-10


def test_a_rule_that_changes_weights_alone_takes_one_pass() -> None:
    shape, settings = SHAPES_AND_WINDOWS[1]
    weights = torch.rand(shape, dtype=torch.float64)
    network, images = ToyNetwork().double().eval(), perturbed(shape)
    model = WindowedModel(network, settings)
    masks = model.predict(images[0]).masks
    scores = RecomputedScores(ALL, masks, lambda p: ClassScores.of(ALL, p.label_map, weights))
    before = model.passes.window_forwards
    values = model.scores(images, scores)
    assert model.passes.window_forwards - before == 3 * len(model.plan(images).windows)
    for b, image in enumerate(images):
        logits = stitched_logits(network, image, settings)
        expected = [(logits[c] * weights)[logits.argmax(0) == c].sum() for c in ALL]
        assert relative(values[b], torch.stack(expected)) < 1e-10
