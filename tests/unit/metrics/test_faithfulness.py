"""Faithfulness: Eq. 8 as a slow loop, Quantus, a linear network, what is kept, and what is not defined."""

from __future__ import annotations

import logging
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor, nn

from agg2exp.attribution import InputXGradient, VanillaGradient
from agg2exp.baselines import Baseline, Blurred, Constant, Mean, UniformNoise
from agg2exp.domain.attribution import SupervoxelAttribution
from agg2exp.domain.errors import SettingError
from agg2exp.inference import SlidingWindow
from agg2exp.metrics import ExplainedCase, Faithfulness
from agg2exp.metrics.faithfulness import occluded, subset
from agg2exp.scores import MarginScore, MeanScore, ProbabilityScore, Score, SumScore
from agg2exp.supervoxels import Cubes
from tests.helpers.networks import LinearNetwork
from tests.unit.inference.slow import literal_score, score_of, stitched_logits
from tests.unit.metrics.toy import ALL, SETTINGS, SHAPE, Fixed, evaluation, random_image, toy_network

P = 9 * 8 * 10


def few(**arguments) -> Faithfulness:
    return Faithfulness(**{"n_subsets": 12, "subset_size": 60, **arguments})


def slow(case: ExplainedCase, metric: Faithfulness, score: Score | None = None) -> list[float]:
    """Eq. 8 with whole volumes, one subset and one class at a time."""
    rng, network = case.rng("faithfulness"), case.model.network.requires_grad_(False)
    other = metric.baseline(case.image, rng)
    found = []
    for k, c in enumerate(case.scores.classes):
        e = case.attribution.dense(k)
        e = e / e.abs().max()
        sums, drops = [], []
        for i in range(metric.n_subsets):
            mask = torch.zeros(P, dtype=torch.bool)
            mask[subset(P, metric.size(case.image), rng.generator("subset", i))] = True
            mask = mask.reshape(SHAPE)
            f, g = (stitched_logits(network, x, SETTINGS) for x in (case.image, torch.where(mask, other, case.image)))
            value = (
                (lambda f, c=c: literal_score(score, f, c)) if score else (lambda f, c=c: score_of(f, case.scores, c))
            )
            sums.append(float(e.sum(0)[mask].sum()))
            drops.append(float(value(f) - value(g)))
        measure = {"pearson": scipy.stats.pearsonr, "spearman": scipy.stats.spearmanr}[metric.correlation]
        found.append(measure(sums, drops).statistic)
    return found


@pytest.mark.parametrize(
    ("score", "baseline", "correlation", "channels"),
    [
        (SumScore(), Constant(0.0), "pearson", 1),
        (MarginScore(), Mean(), "spearman", 1),
        (ProbabilityScore(), UniformNoise(), "pearson", 2),
        (MeanScore(), Blurred(2.0), "pearson", 1),
    ],
)
def test_is_equation_8(score: Score, baseline: Baseline, correlation: str, channels: int) -> None:
    case = evaluation(toy_network(channels), random_image(1, channels), VanillaGradient(), score=score)
    metric = few(baseline=baseline, correlation=correlation)
    found = metric.evaluate(case)["faithfulness"]
    assert found.tolist() == pytest.approx(slow(case, metric), abs=1e-9)
    assert 0.01 < float(found.abs().max()) < 1


@pytest.mark.parametrize("score", [SumScore(), MeanScore()])
def test_recomputed_masks_are_those_of_the_perturbed_image(score: Score) -> None:
    case = evaluation(toy_network(), random_image(2), score=score, recomputed=True)
    fixed = evaluation(toy_network(), random_image(2), score=score)
    found = few().evaluate(case)["faithfulness"]
    assert found.tolist() == pytest.approx(slow(case, few(), score), abs=1e-9)
    assert not torch.allclose(found, few().evaluate(fixed)["faithfulness"], atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_equals_quantus(seed: int) -> None:
    quantus = pytest.importorskip("quantus", reason="compares with Quantus: pip install -e '.[peers]'")
    case = evaluation(toy_network(which=seed), random_image(seed, dtype=torch.float32))
    metric = few(n_subsets=20)
    subsets = [subset(P, 60, case.rng("faithfulness").generator("subset", i)).numpy() for i in range(20)]

    class Scores(nn.Module):
        """Quantus takes no volumes: (B, 1, D H, W) -> (B, K)."""

        def forward(self, x: Tensor) -> Tensor:
            return case.model.scores(x.reshape(-1, 1, *SHAPE), case.scores)

    theirs = quantus.FaithfulnessCorrelation(
        nr_runs=20,
        subset_size=60,
        abs=False,
        normalise=True,
        perturb_baseline=0.0,
        return_aggregate=False,
        disable_warnings=True,
    )
    expected = []
    for k in range(len(ALL)):
        with patch.object(np.random, "choice", side_effect=list(subsets)):
            expected += theirs(
                model=Scores().eval(),
                x_batch=case.image.reshape(1, 1, -1, SHAPE[2]).numpy(),
                y_batch=np.array([k]),
                a_batch=case.attribution.dense(k).reshape(1, 1, -1, SHAPE[2]).numpy(),
                channel_first=True,
                softmax=False,
                device="cpu",
            )
    assert metric.evaluate(case)["faithfulness"].tolist() == pytest.approx(expected, abs=1e-6)


def test_gradient_times_input_is_perfectly_faithful_to_a_linear_network() -> None:
    network = LinearNetwork([0.5, -1.0, 2.0, 1.0], [0.3, 1.3, -0.4, 0.0])
    case = evaluation(network, random_image(3))
    known = ~case.absent
    assert known.sum() >= 2
    assert few().evaluate(case)["faithfulness"][known].tolist() == pytest.approx([1] * int(known.sum()), abs=1e-9)
    recomputed = evaluation(network, random_image(3), recomputed=True)
    assert float(few().evaluate(recomputed)["faithfulness"][known].min()) < 0.99
    opposite = evaluation(network, random_image(3), Fixed(-case.attribution.values))
    assert few().evaluate(opposite)["faithfulness"][known].tolist() == pytest.approx([-1] * int(known.sum()), abs=1e-9)


def test_scale_of_the_attribution_does_not_matter() -> None:
    case = evaluation(toy_network(), random_image())
    scaled = evaluation(toy_network(), random_image(), Fixed(1e-5 * case.attribution.values))
    assert torch.allclose(few().evaluate(case)["faithfulness"], few().evaluate(scaled)["faithfulness"])


@pytest.mark.parametrize("expansion", ["density", "value"])
def test_supervoxels_equal_their_voxels(expansion: str) -> None:
    partition = Cubes(11)(random_image(), torch.zeros(SHAPE))
    values = torch.randn(4, int(partition.max()) + 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    compact = SupervoxelAttribution(partition, values, expansion)
    dense = torch.stack([compact.dense(k) for k in range(4)])
    found = [
        few().evaluate(evaluation(toy_network(), random_image(), Fixed(e)))["faithfulness"] for e in (compact, dense)
    ]
    assert torch.allclose(*found, atol=1e-9)
    assert bool(found[0].isfinite().all())


def test_window_batch_does_not_matter() -> None:
    found = []
    for batch in (1, 2, 7, 50):
        settings = SlidingWindow(SETTINGS.size, SETTINGS.overlap, SETTINGS.blending, batch)
        found.append(few().evaluate(evaluation(toy_network(), random_image(), settings=settings))["faithfulness"])
    assert all(torch.allclose(other, found[0], atol=1e-9) for other in found[1:])


# Subsets


@pytest.mark.parametrize(("p", "m"), [(720, 60), (50, 24), (5, 2), (3, 1)])
def test_subsets_hold_each_voxel_once(p: int, m: int) -> None:
    for seed in range(20):
        voxels = subset(p, m, torch.Generator().manual_seed(seed))
        assert voxels.shape == (m,)
        assert len(set(voxels.tolist())) == m
        assert 0 <= int(voxels.min()) <= int(voxels.max()) < p


def test_every_subset_is_equally_likely() -> None:
    generator = torch.Generator().manual_seed(0)
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(6000):
        drawn = tuple(subset(6, 3, generator).tolist())
        counts[drawn] = counts.get(drawn, 0) + 1
    assert len(counts) == 20
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_subsets_are_those_of_seed_and_case_alone() -> None:
    gradients = evaluation(toy_network(), random_image(), VanillaGradient(), classes=(2, 1))
    other = evaluation(toy_network(which=1), random_image(7), InputXGradient())
    metric = few()
    for mine, theirs in zip(metric._subsets(gradients), metric._subsets(other), strict=True):
        assert torch.equal(mine, theirs)
    reseeded = evaluation(toy_network(), random_image(), seed=1)
    assert not torch.equal(next(metric._subsets(reseeded)), next(metric._subsets(other)))


def test_occluded_voxels_lose_all_channels() -> None:
    image, other = random_image(0, channels=3), random_image(1, channels=3)
    voxels = torch.tensor([0, 5, P - 1])
    result = occluded(image, other, voxels)
    changed = (result != image).flatten(1)
    assert changed.all(dim=0).nonzero().flatten().tolist() == voxels.tolist()
    assert int(changed.sum()) == 9
    assert torch.equal(result.flatten(1)[:, voxels], other.flatten(1)[:, voxels])


# Kept scores


def test_scores_are_computed_once_for_all_methods(tmp_path: Path) -> None:
    network, image = toy_network(), random_image()
    first, second = (evaluation(network, image, m, cache=tmp_path) for m in (InputXGradient(), VanillaGradient()))
    windows = len(first.model.plan(image).windows)
    before = first.model.passes.window_forwards
    a = few().evaluate(first)["faithfulness"]
    assert first.model.passes.window_forwards - before == 13 * windows == few().evaluations(4)[0] * windows
    before = second.model.passes
    b = few().evaluate(second)["faithfulness"]
    assert second.model.passes == before
    assert b.tolist() == pytest.approx(slow(second, few()), abs=1e-9)
    assert not torch.allclose(a, b)
    few(correlation="spearman").evaluate(second)
    assert second.model.passes == before


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ({}, {"n_subsets": 13}),
        ({}, {"subset_size": 61}),
        ({}, {"baseline": 0.5}),
        ({"classes": (0, 1, 2)}, {}),
        ({"seed": 1}, {}),
        ({"score": MeanScore()}, {}),
        ({"recomputed": True}, {}),
    ],
)
def test_scores_of_other_settings_are_not_used(tmp_path: Path, arguments, settings) -> None:
    few().evaluate(evaluation(toy_network(), random_image(), cache=tmp_path))
    case = evaluation(toy_network(), random_image(), cache=tmp_path, **arguments)
    before = case.model.passes.window_forwards
    few(**settings).evaluate(case)
    assert case.model.passes.window_forwards > before
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_damaged_scores_are_computed_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = few().evaluate(evaluation(toy_network(), random_image(), cache=tmp_path))["faithfulness"]
    (path,) = tmp_path.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-9])
    for warnings in (1, 0):
        caplog.clear()
        case = evaluation(toy_network(), random_image(), cache=tmp_path)
        assert torch.equal(few().evaluate(case)["faithfulness"], whole)
        assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == warnings


# Undefined, and not allowed


def test_constant_attributions_and_absent_classes_are_nan_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    network = toy_network()
    network.last.bias.data[2] = -1e3
    values = torch.randn(4, 1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[0], values[1] = 0.37, 0
    with caplog.at_level(logging.INFO):
        found = few().evaluate(evaluation(network, random_image(), Fixed(values)))["faithfulness"]
    assert found.isnan().tolist() == [True, True, True, False]
    told = {r.message.split(": ", 1)[1] for r in caplog.records if r.name.startswith("agg2exp.metrics")}
    assert told == {
        "no faithfulness for label 2: the class is absent from the prediction",
        "no faithfulness for label 1: its attribution is zero everywhere",
        "no faithfulness for label 0: no subset has more of its attribution than another",
    }


def test_score_that_never_changes_is_nan(caplog: pytest.LogCaptureFixture) -> None:
    values = torch.randn(4, 1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    black = torch.zeros(1, *SHAPE, dtype=torch.float64)
    with caplog.at_level(logging.INFO):
        found = few().evaluate(evaluation(toy_network(), black, Fixed(values)))["faithfulness"]
    assert bool(found.isnan().all())
    assert "no subset changes its score" in caplog.text


@pytest.mark.parametrize("settings", [{"subset_size": 360}, {"subset_size": 50176}])
def test_subsets_of_half_the_image_are_refused(settings) -> None:
    case = evaluation(toy_network(), random_image())
    with pytest.raises(SettingError, match=r"p = 720.*subset_fraction=0\.1") as raised:
        few(**settings).evaluate(case)
    assert raised.value.setting == "subset_size"
    assert "s0001" in str(raised.value)
    few(subset_size=359).evaluate(case)


def test_fraction_follows_the_image() -> None:
    case = evaluation(toy_network(), random_image())
    assert few(subset_size=None, subset_fraction=0.1).size(case.image) == 72
    with pytest.raises(SettingError, match="subset_fraction"):
        few(subset_size=None, subset_fraction=0.0001).evaluate(case)


@pytest.mark.parametrize(
    "settings",
    [
        {"n_subsets": 2},
        {"n_subsets": 3.5},
        {"subset_size": 0},
        {"subset_size": None},
        {"subset_fraction": 0.1},
        {"subset_size": None, "subset_fraction": 0.5},
        {"subset_size": None, "subset_fraction": -0.1},
        {"correlation": "kendall"},
        {"baseline": "mean"},
    ],
)
def test_values_that_are_not_allowed(settings) -> None:
    with pytest.raises(SettingError):
        few(**settings)
    few(n_subsets=3)


def test_the_metric_may_have_a_mask_policy_of_its_own(tmp_path: Path):
    image, network = random_image(), toy_network()
    settings = {"n_subsets": 12, "subset_size": None, "subset_fraction": 0.2}
    moving = evaluation(network, image, recomputed=True, cache=tmp_path)
    still = evaluation(network, image, cache=tmp_path)
    expected = Faithfulness(**settings).evaluate(moving)["faithfulness"]
    before = still.model.passes.window_forwards
    found = Faithfulness(**settings, mask_policy="recomputed").evaluate(still)["faithfulness"]
    assert still.model.passes.window_forwards == before  # the same key: kept from the other run
    assert torch.equal(found, expected)
    assert not torch.equal(found, Faithfulness(**settings).evaluate(still)["faithfulness"])
