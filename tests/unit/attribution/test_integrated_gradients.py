"""Integrated gradients: the slow loop of Eq. 5, captum's own, completeness, closed forms."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from torch import Tensor, nn

from agg2exp.attribution import IntegratedGradients
from agg2exp.attribution.integrated_gradients import RULES, completeness_gap, quadrature
from agg2exp.baselines import Baseline, Blurred, GaussianNoise, UniformNoise
from agg2exp.domain.class_scores import ClassScores, RecomputedScores
from agg2exp.domain.errors import SettingError
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import MarginScore, ProbabilityScore, Score, SumScore
from tests.helpers.networks import LinearNetwork, ToyNetwork
from tests.unit.inference.slow import relative, score_of, stitched_logits

RNG = KeyedRng(3, "s0001", "integrated_gradients")
SETTINGS = SlidingWindow((8, 8, 8), 0.5, "gaussian", batch=2)
IMAGE = torch.rand(2, 11, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ALL = (0, 1, 2, 3)


def network_of(norm: type[nn.Module] = nn.BatchNorm3d, channels: int = 2) -> ToyNetwork:
    """Two smooth layers in float64 with the norm between; some windows overlap, and one axis is padded."""
    network = ToyNetwork(channels)
    if norm is nn.BatchNorm3d:
        network.norm.running_mean.fill_(0.3)
        network.norm.running_var.fill_(2.0)
    else:
        network.norm = norm(6)
    return network.double().eval()


def explained(
    network: nn.Module, method: IntegratedGradients, image: Tensor = IMAGE, score: Score | None = None, batch: int = 2
) -> tuple[Tensor, ClassScores, Tensor]:
    """Attribution (K, C, D, H, W), what was explained, and the completeness gap (K)."""
    model = WindowedModel(network, SlidingWindow((8, 8, 8), 0.5, "gaussian", batch))
    scores = (score or SumScore())(model.predict(image), ALL)
    e = method.compute(model, image, scores, RNG)
    return e.values, scores, e.notes["completeness_gap"]


def slow_gradient(network: nn.Module, x: Tensor, scores: ClassScores, c: int) -> Tensor:
    """∇f̂_c(x) by automatic differentiation through the stitched output."""
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(score_of(stitched_logits(network, x, SETTINGS), scores, c), x)
    return gradient


@pytest.mark.parametrize("score", [SumScore(), MarginScore(), ProbabilityScore()])
@pytest.mark.parametrize("baseline", [0.0, torch.rand(2, 11, 6, 9, generator=torch.Generator().manual_seed(1))])
def test_default_is_equation_5(score: Score, baseline: float | Tensor) -> None:
    network, n = network_of(), 3
    values, scores, _ = explained(network, IntegratedGradients(n_steps=n, baselines=baseline), score=score)
    for c in ALL:
        mean = torch.zeros_like(IMAGE)
        for i in range(1, n + 1):
            mean += slow_gradient(network, baseline + (i / n) * (IMAGE - baseline), scores, c) / n
        assert relative(values[c], (IMAGE - baseline) * mean) < 1e-10


@pytest.mark.parametrize(
    ("rule", "captum_rule", "captum_scale"),
    [
        ("right", "riemann_right", 1.0),
        ("midpoint", "riemann_middle", 1.0),
        ("trapezoid", "riemann_trapezoid", 5 / 4),  # captum's five weights add up to 4/5
        ("gauss_legendre", "gausslegendre", 1.0),
    ],
)
@pytest.mark.parametrize("batch", [1, 4])
def test_agrees_with_captum(rule: str, captum_rule: str, captum_scale: float, batch: int) -> None:
    network = network_of()
    values, scores, _ = explained(network, IntegratedGradients(n_steps=5, rule=rule, baselines=0.2), batch=batch)

    def score(x: Tensor) -> Tensor:
        logits = [stitched_logits(network, image, SETTINGS) for image in x]
        return torch.stack([torch.stack([score_of(one, scores, c) for c in ALL]) for one in logits])

    captum = CaptumIntegratedGradients(score)
    for c in ALL:
        reference = captum.attribute(IMAGE[None], baselines=0.2, target=c, n_steps=5, method=captum_rule)
        assert relative(values[c], captum_scale * reference[0]) < 1e-6  # captum's positions are rounded to float32


@pytest.mark.parametrize("norm", [nn.BatchNorm3d, nn.Identity])
@pytest.mark.parametrize("baseline", [0.0, GaussianNoise()])
def test_is_complete_with_many_steps(norm: type[nn.Module], baseline: float | GaussianNoise) -> None:
    method = IntegratedGradients(n_steps=200, rule="midpoint", baselines=baseline)
    image = IMAGE[:, :9, :, :8]
    values, scores, gap = explained(network_of(norm), method, image, batch=8)
    assert len(scores.layers[0].label_map.unique()) == len(ALL)
    assert gap.dtype == torch.float64
    assert gap.max() <= 1e-3
    model = WindowedModel(network_of(norm), SETTINGS)
    ends = [model.scores(x[None], scores)[0] for x in (image, method.baselines(image, RNG))]
    assert torch.allclose(values.sum(dim=(1, 2, 3, 4)), ends[0] - ends[1], rtol=1e-3)


def test_more_accurate_rules_close_the_gap_sooner() -> None:
    image, gaps = IMAGE[:, :8, :, :8], {}
    for rule in RULES:
        _, _, gap = explained(network_of(), IntegratedGradients(rule=rule), image)
        gaps[rule] = float(gap.max())
    assert gaps["gauss_legendre"] < 0.1 * gaps["midpoint"] < 0.1 * gaps["trapezoid"] < 0.1 * gaps["right"]


@pytest.mark.parametrize("rule", RULES)
def test_of_a_linear_network_is_known(rule: str, caplog: pytest.LogCaptureFixture) -> None:
    slopes = [1.0, -2.0, 3.0, 0.5]
    image, other = IMAGE[:1].float(), 0.2
    network = LinearNetwork(slopes, [0.4, 1.0, -0.2, -5.0])
    values, scores, gap = explained(
        network, IntegratedGradients(n_steps=4, rule=rule, baselines=other), image, ProbabilityScore()
    )
    for c, slope in enumerate(slopes):
        expected = slope * (image - other) * scores.layers[0].weights * (scores.layers[0].label_map == c)
        assert torch.allclose(values[c], expected, rtol=1e-5, atol=1e-8)
    assert not (scores.layers[0].label_map == 3).any()
    assert gap[:3].max() < 1e-5
    assert gap[3].isnan()  # an absent class
    assert not caplog.records


@pytest.mark.parametrize("rule", RULES)
def test_batch_size_and_company_of_other_classes_change_nothing(rule: str) -> None:
    network, method = network_of(), IntegratedGradients(n_steps=5, rule=rule)
    together, _, gap = explained(network, method, batch=1)
    for batch in (2, 4):
        assert relative(explained(network, method, batch=batch)[0], together) < 1e-12
    model = WindowedModel(network, SETTINGS)
    for c in ALL:
        alone = method.compute(model, IMAGE, SumScore()(model.predict(IMAGE), (c,)), RNG)
        assert relative(alone.values[0], together[c]) < 1e-12
        assert float(alone.notes["completeness_gap"]) == pytest.approx(float(gap[c]), rel=1e-6)


@pytest.mark.parametrize("n", [2, 3, 7, 20])
@pytest.mark.parametrize(("rule", "degree"), [("right", 0), ("midpoint", 1), ("trapezoid", 1), ("gauss_legendre", -1)])
def test_quadrature_is_exact_up_to_its_degree(rule: str, degree: int, n: int) -> None:
    positions, weights = quadrature(rule, n)
    assert len(positions) == len(weights) == n
    assert 0 <= min(positions) <= max(positions) <= 1
    degree = degree if degree >= 0 else 2 * n - 1

    def error(power: int) -> float:
        return abs(sum(w * a**power for a, w in zip(positions, weights, strict=True)) - 1 / (power + 1))

    assert max(error(power) for power in range(degree + 1)) < 1e-14
    if n < 20:
        assert error(degree + 1) > 1e-10


def test_one_step() -> None:
    assert [quadrature(rule, 1) for rule in ("right", "midpoint", "gauss_legendre")] == [
        ([1.0], [1.0]),
        ([0.5], [1.0]),
        ([0.5], [1.0]),
    ]


def test_a_large_gap_is_noted_and_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """With InstanceNorm every scaled copy of an image gives nearly the same logits, so that Eq. 5 misses the change."""
    network = network_of(nn.InstanceNorm3d)
    with caplog.at_level(logging.WARNING):
        values, scores, gap = explained(network, IntegratedGradients(n_steps=8))
    model = WindowedModel(network, SETTINGS)
    ends = [model.scores(x[None], scores)[0] for x in (IMAGE, torch.zeros_like(IMAGE))]
    delta = ends[0] - ends[1]
    assert torch.allclose(gap, (values.sum(dim=(1, 2, 3, 4)) - delta).abs() / delta.abs())
    poor = [f"{c} ({gap[c]:.2f})" for c in ALL if gap[c] > 0.1]
    assert gap.max() > 0.5
    (record,) = caplog.records
    assert record.name == "agg2exp.attribution.integrated_gradients"
    assert "case s0001: " in record.getMessage()
    assert f"more than 10 % for label {', '.join(poor)}. Take more steps" in record.getMessage()


@pytest.mark.parametrize("baseline", [GaussianNoise(), UniformNoise(), Blurred(3.0)], ids=repr)
def test_with_instance_norm_a_baseline_with_contrast_closes_the_gap(baseline: Baseline) -> None:
    network = network_of(nn.InstanceNorm3d)
    assert explained(network, IntegratedGradients(rule="midpoint"))[2].min() > 0.5
    assert explained(network, IntegratedGradients(rule="midpoint", baselines=baseline))[2].max() < 0.05


def test_a_change_that_is_mere_rounding_has_no_gap() -> None:
    values = torch.tensor([3.0, 0.0, 0.0, 0.0]).view(4, 1, 1, 1, 1)
    ends = torch.tensor([[1.0, 100.0, 0.0, 100.0], [5.0, 100.00001, 0.0, 101.0]], dtype=torch.float64)
    gap = completeness_gap(values, ends, torch.finfo(torch.float32).eps)
    assert gap[[0, 3]].tolist() == [0.25, 1.0]
    assert gap[[1, 2]].isnan().all()


@pytest.mark.parametrize("value", [0.0, 0.5])
@pytest.mark.parametrize("batch", [1, 3])
def test_an_image_that_equals_its_baseline_gets_zeros(
    value: float, batch: int, caplog: pytest.LogCaptureFixture
) -> None:
    image = torch.full((2, 8, 9, 10), value)
    values, _, gap = explained(
        network_of().float(), IntegratedGradients(n_steps=4, baselines=value), image, batch=batch
    )
    assert not values.any()
    assert gap.isnan().all()
    assert not caplog.records
    values, _, gap = explained(network_of().float(), IntegratedGradients(n_steps=4, baselines=1.0), image, batch=batch)
    assert values.any()  # a constant image with another baseline is an image like any other
    assert not gap.isnan().all()


@pytest.mark.parametrize("rule", ["right", "gauss_legendre"])
def test_recomputed_masks_follow_the_path(rule: str) -> None:
    network, n, score = network_of(), 5, SumScore()
    model = WindowedModel(network, SETTINGS)
    at_image = model.predict(IMAGE)
    moving = RecomputedScores(ALL, at_image.masks, lambda prediction: score(prediction, ALL))
    e = IntegratedGradients(n_steps=n, rule=rule).compute(model, IMAGE, moving, RNG)
    slow, seen = torch.zeros(4, *IMAGE.shape, dtype=torch.float64), []
    for position, weight in zip(*quadrature(rule, n), strict=True):
        prediction = model.predict(position * IMAGE)
        seen.append(prediction.label_map)
        for c in ALL:
            slow[c] += weight * IMAGE * slow_gradient(network, position * IMAGE, score(prediction, ALL), c)
    assert not all(torch.equal(label_map, at_image.label_map) for label_map in seen)
    assert relative(e.values, slow) < 1e-10
    ends = [score(p := model.predict(x), ALL).value_at(p) for x in (torch.zeros_like(IMAGE), IMAGE)]
    gap = (e.values.sum(dim=(1, 2, 3, 4)) - (ends[1] - ends[0])).abs() / (ends[1] - ends[0]).abs()
    assert torch.allclose(e.notes["completeness_gap"], gap, rtol=1e-8)


def test_captums_words_in_one_call() -> None:
    network, image = network_of().float(), IMAGE.float()
    e = IntegratedGradients().attribute(
        network, image[None], target=1, n_steps=7, baselines=0.2, perturbations_per_eval=3
    )
    model = WindowedModel(network, SlidingWindow((11, 6, 9), batch=3))
    expected = IntegratedGradients(n_steps=7, baselines=0.2).compute(
        model, image, SumScore()(model.predict(image), (1,)), RNG
    )
    assert torch.equal(e.values, expected.values)
    assert torch.equal(e.notes["completeness_gap"], expected.notes["completeness_gap"])


def test_noise_of_the_baseline_is_that_of_the_case() -> None:
    method = IntegratedGradients(n_steps=2, baselines=GaussianNoise())
    drawn = GaussianNoise()(IMAGE, RNG)
    first, _, _ = explained(network_of(), method)
    assert torch.equal(first, explained(network_of(), method)[0])
    assert torch.equal(first, explained(network_of(), IntegratedGradients(n_steps=2, baselines=drawn))[0])


def test_passes_are_those_needed() -> None:
    image = IMAGE[:, :8, :, :8]
    seen: list[int] = []
    model = WindowedModel(network_of(), SETTINGS, on_windows=seen.append)
    scores = SumScore()(model.predict(image), ALL)
    present, before = len(scores.layers[0].label_map.unique()), model.passes
    seen.clear()
    method = IntegratedGradients(n_steps=4)
    method.compute(model, image, scores, RNG)
    assert model.passes.window_forwards - before.window_forwards == method.evaluations() == sum(seen) == 6
    assert model.passes.window_backwards - before.window_backwards == 4 * present


def test_what_the_result_depends_on_is_in_the_settings() -> None:
    assert IntegratedGradients(baselines=1).settings() == {
        "method": "integrated_gradients",
        "class": "agg2exp.attribution.integrated_gradients.IntegratedGradients",
        "n_steps": "20",
        "rule": "right",
        "baselines": "Constant(value=1.0)",
    }


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: IntegratedGradients(n_steps=0), "n_steps: expected a whole number of at least 1, got 0"),
        (lambda: IntegratedGradients(n_steps=1, rule="trapezoid"), "n_steps: expected a whole number of at least 2"),
        (lambda: IntegratedGradients(rule="left"), "rule: expected one of 'right', 'midpoint'"),
        (lambda: IntegratedGradients(baselines="zeros"), "baselines: expected a baseline, a tensor"),
        (
            lambda: explained(network_of(), IntegratedGradients(baselines=torch.zeros(1, 11, 6, 9))),
            r"baselines: expected the shape of the image \(2, 11, 6, 9\), got 'shape \(1, 11, 6, 9\)'",
        ),
    ],
)
def test_wrong_settings_are_named(make: Callable[[], object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        make()
