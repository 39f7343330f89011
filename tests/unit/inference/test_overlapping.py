"""Regions that may overlap, of a sigmoid head: everything against the whole volume at once, one region at a time."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from agg2exp.attribution import InputXGradient, KernelShap, VanillaGradient
from agg2exp.domain.class_scores import RecomputedScores
from agg2exp.domain.masks import OverlappingMasks
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import NetworkError, SlidingWindow, WindowedModel
from agg2exp.scores import MarginScore, MeanScore, MedianScore, ProbabilityScore, Score, SumScore
from agg2exp.supervoxels import Given, Semantic
from tests.helpers.networks import RegionNetwork, ToyNetwork, TwoClasses
from tests.unit.attribution.slow import shapley_by_definition
from tests.unit.inference.slow import literal_region_score, relative, stitched_logits

SCORES: list[Score] = [SumScore(), MeanScore(), MedianScore(), ProbabilityScore(), MarginScore()]
NETWORKS = {
    "nested": RegionNetwork((0.35, 0.5, 0.62)),
    "equal and full": RegionNetwork((-0.4, -0.4, -0.4)),
    "one channel": RegionNetwork((0.5,)),
    "any": ToyNetwork(classes=3),
    "one empty": RegionNetwork((0.4, 5.0)),
}
WINDOWS = [
    ((11, 8, 13), SlidingWindow((8, 8, 8), 0.5, "gaussian", 3)),
    ((6, 9, 7), SlidingWindow((8, 8, 8), 0.25, "constant", 2, pad=0.4)),
]
RNG = KeyedRng(0, "case", "kernel_shap")


def image_of(shape: tuple[int, int, int]) -> Tensor:
    """Bright in the middle, with noise, (1, D, H, W) float64."""
    noise = torch.rand(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n, dtype=torch.float64) for n in shape), indexing="ij")
    return 0.8 * torch.exp(-sum(axis**2 for axis in axes)) + 0.2 * noise


def network_of(name: str) -> nn.Module:
    return NETWORKS[name].double().eval()


@pytest.mark.parametrize(("shape", "windows"), WINDOWS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_region_is_where_its_own_logit_is_above_zero(
    name: str, shape: tuple[int, int, int], windows: SlidingWindow
) -> None:
    image = image_of(shape)
    model = WindowedModel(network_of(name), windows, head="sigmoid")
    with torch.no_grad():
        logits = stitched_logits(model.network, image, windows)
    prediction = model.predict(image)
    masks = prediction.masks
    assert isinstance(masks, OverlappingMasks)
    assert prediction.n_classes == masks.n_classes == len(prediction.layers) == len(logits)
    for c, (layer, f) in enumerate(zip(prediction.layers, logits, strict=True)):
        inside = f.sigmoid() > 0.5
        assert torch.equal(masks.mask(c), inside)
        assert torch.equal(layer.label_map, torch.where(inside, c, -1).to(torch.int16))
        assert relative(layer.top_logit, f) < 1e-12
        assert relative(layer.top_probability, f.sigmoid()) < 1e-12
        assert layer.runner_up is layer.runner_up_logit is None
        assert int(layer.voxels()[c]) == int(layer.voxels().sum()) == int(prediction.voxels()[c]) == int(inside.sum())
    if name == "equal and full":
        assert prediction.voxels().tolist() == [image.numel()] * 3  # an argmax would give all to the first
    if name == "nested":
        assert 0 < int(prediction.voxels()[2]) < int(prediction.voxels()[1]) < int(prediction.voxels()[0])


@pytest.mark.parametrize("score", SCORES, ids=lambda s: s.name)
@pytest.mark.parametrize(("shape", "windows"), WINDOWS)
@pytest.mark.parametrize("name", NETWORKS)
def test_scores_and_gradients_equal_autograd_through_monai(
    name: str, score: Score, shape: tuple[int, int, int], windows: SlidingWindow
) -> None:
    image, network = image_of(shape), network_of(name)
    model = WindowedModel(network, windows, head="sigmoid")
    x = image.clone().requires_grad_()
    logits = stitched_logits(network, x, windows)
    classes = tuple(reversed(range(len(logits))))
    prediction = model.predict(image)
    scores = score(prediction, classes)
    assert scores.is_of(prediction)
    values, gradient = model.scores(image[None], scores)[0], model.gradient(image[None], scores)
    torch.testing.assert_close(values, scores.value_at(prediction))
    for k, c in enumerate(classes):
        reference = literal_region_score(score, logits, c)
        torch.testing.assert_close(values[k], reference.detach(), rtol=1e-10, atol=1e-10)
        (by_autograd,) = torch.autograd.grad(reference, x, retain_graph=True)
        assert relative(gradient[k], by_autograd) < 1e-10


@pytest.mark.parametrize("score", SCORES, ids=lambda s: s.name)
@pytest.mark.parametrize("name", ["nested", "one channel", "any"])
def test_recomputed_masks_are_those_of_each_image(name: str, score: Score) -> None:
    shape, windows = WINDOWS[0]
    network, image = network_of(name), image_of(shape)
    images = torch.stack([image, 0.8 * image + 0.1])
    model = WindowedModel(network, windows, head="sigmoid")
    prediction = model.predict(image)
    classes = tuple(range(prediction.n_classes))
    scores = RecomputedScores(classes, prediction.masks, lambda p: score(p, classes))
    before = model.passes
    values = model.scores(images, scores)
    assert (model.passes - before).window_forwards == 2 * len(model.plan(image).windows)  # one pass: masks agree
    x = images.clone().requires_grad_()
    logits = [stitched_logits(network, one, windows) for one in x]
    expected = torch.stack([torch.stack([literal_region_score(score, f, c) for c in classes]) for f in logits])
    torch.testing.assert_close(values, expected.detach())
    gradient = model.gradient(images, scores)
    for c in classes:
        (by_autograd,) = torch.autograd.grad(expected[:, c].sum(), x, retain_graph=True)
        assert relative(gradient[c], by_autograd.sum(dim=0)) < 1e-10


@pytest.mark.parametrize("policy", ["fixed", "recomputed"])
@pytest.mark.parametrize("score", [SumScore(), ProbabilityScore(), MarginScore()], ids=lambda s: s.name)
@pytest.mark.parametrize("name", NETWORKS)
def test_kernel_shap_of_all_coalitions_is_the_shapley_value(name: str, score: Score, policy: str) -> None:
    shape, windows = WINDOWS[0]
    network, image = network_of(name), image_of(shape)
    model = WindowedModel(network, windows, head="sigmoid")
    prediction = model.predict(image)
    classes = tuple(range(prediction.n_classes))
    fixed = score(prediction, classes)
    recomputed = RecomputedScores(classes, prediction.masks, lambda p: score(p, classes))
    partition = (torch.arange(shape[0])[:, None, None] // 6 * 2 + torch.arange(shape[2]) // 7).expand(shape).clone()
    game = {}
    for z in itertools.product([False, True], repeat=4):
        with torch.no_grad():
            logits = stitched_logits(network, torch.where(torch.tensor(z)[partition], image, 0.1), windows)
        game[frozenset(j for j in range(4) if z[j])] = torch.stack([
            literal_region_score(score, logits, c) if policy == "recomputed"
            else (logits[c] * fixed.layers[c].weights)[prediction.masks.mask(c)].sum()
            for c in classes
        ])  # fmt: skip
    method = KernelShap(Given(partition), n_samples=16, baselines=0.1)
    e = method.compute(model, image, fixed if policy == "fixed" else recomputed, RNG)
    torch.testing.assert_close(e.values, shapley_by_definition(game, 4), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("policy", ["fixed", "recomputed"])
@pytest.mark.parametrize("score", SCORES, ids=lambda s: s.name)
@pytest.mark.parametrize("network", [RegionNetwork((0.5,)), ToyNetwork(classes=1, seed=4)], ids=["region", "toy"])
def test_one_channel_is_class_1_of_a_softmax_over_0_and_it(network: nn.Module, score: Score, policy: str) -> None:
    shape, windows = WINDOWS[0]
    image, network = image_of(shape), network.double().eval()
    one = WindowedModel(network, windows, head="sigmoid")
    two = WindowedModel(TwoClasses(network).eval(), windows)
    region, classes = one.predict(image), two.predict(image)
    assert torch.equal(region.masks.mask(0), classes.masks.mask(1)) and region.masks.mask(0).any()
    found = []
    for model, prediction, c in ((one, region, 0), (two, classes, 1)):
        scores = score(prediction, (c,))
        if policy == "recomputed":
            scores = RecomputedScores((c,), prediction.masks, lambda p, c=c: score(p, (c,)))
        images = torch.stack([image, 0.9 * image])
        found.append([
            model.scores(images, scores),
            VanillaGradient().compute(model, image, scores, RNG).values,
            InputXGradient().compute(model, 0.9 * image, scores, RNG).values,
            KernelShap(Semantic()).compute(model, image, scores, RNG).values,
        ])  # fmt: skip
    for by_sigmoid, by_softmax in zip(*found, strict=True):
        torch.testing.assert_close(by_sigmoid, by_softmax, rtol=1e-9, atol=1e-9)


def test_regions_share_forwards_and_windows_without_them_are_not_evaluated() -> None:
    image = torch.zeros(1, 8, 8, 24)
    image[..., :8], image[..., 8:16] = 0.9, 0.5  # window 0: both regions; window 1: the outer one; window 2: none
    model = WindowedModel(RegionNetwork((0.3, 0.8)), SlidingWindow((8, 8, 8), 0.0, batch=1), head="sigmoid")
    scores = SumScore()(model.predict(image), (0, 1))
    for classes, forwards, backwards in (((0, 1), 2, 3), ((0,), 2, 2), ((1,), 1, 1)):
        before = model.passes
        model.gradient(image[None], replace(scores, classes=classes))
        used = model.passes - before
        assert (used.window_forwards, used.window_backwards) == (forwards, backwards)


def test_one_call_explains_overlapping_regions(caplog: pytest.LogCaptureFixture) -> None:
    image = image_of((8, 8, 8)).float()
    e = InputXGradient().attribute(RegionNetwork((0.3, 0.5, 5.0)), image, head="sigmoid")
    assert e.dense(0).any() and e.dense(1).any() and e.dense(2).isnan().all()
    assert "label 2 is nowhere predicted" in caplog.text
    model = WindowedModel(RegionNetwork((0.3, 0.5)), SlidingWindow((8, 8, 8)), head="sigmoid")
    assert torch.equal(InputXGradient().attribute(model, image, [1]).dense(0), e.dense(1))
    shap = KernelShap(Semantic()).attribute(model, image, ["core"], classes=["whole", "core"])
    assert shap.numbers.tolist() == [0, 1, 3]  # none, the whole without the core, the core
    with pytest.raises(NetworkError, match=r'One channel is that of a sigmoid network.*head="sigmoid"'):
        InputXGradient().attribute(RegionNetwork((0.3,)), image)
