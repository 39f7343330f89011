"""Insertion and deletion: a slow version, the best order of a linear network, sharing, and what is not defined."""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from agg2exp.attribution import InputXGradient
from agg2exp.baselines import Mean
from agg2exp.domain.attribution import SupervoxelAttribution
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.inference import SlidingWindow
from agg2exp.metrics import ExplainedCase, InsertionDeletion
from agg2exp.metrics.insertion_deletion import densities, normalised_curve, remaining
from agg2exp.scores import MarginScore, Score, SumScore
from agg2exp.supervoxels import Cubes, Given, LabelMap, Semantic, Supervoxels
from tests.helpers.explanations import small_case
from tests.helpers.networks import LinearNetwork
from tests.unit.inference.slow import literal_score, score_of, stitched_logits
from tests.unit.metrics.toy import SETTINGS, SHAPE, Fixed, evaluation, random_image, toy_network

NAMES = ("insertion_deletion", "insertion", "deletion")


def slow(case: ExplainedCase, metric: InsertionDeletion, score: Score | None = None) -> dict[str, list[float]]:
    """Whole volumes, one image at a time, curves by np.trapezoid."""
    network = case.model.network.requires_grad_(False)
    parts = metric.supervoxels(case.image, case.prediction.masks)
    other = metric.baseline(case.image, case.rng("insertion_deletion"))
    n = int(parts.max()) + 1
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for k, c in enumerate(case.scores.classes):
        e = case.attribution.dense(k).sum(0)
        order = sorted(range(n), key=lambda s, e=e: -float(e[parts == s].mean()))

        def area(order: list[int], k: int = k, c: int = c) -> float:
            shares, values = [], []
            for j in range(min(metric.steps, n) + 1):
                gone = order[: int(np.round(j * n / min(metric.steps, n)))]
                mask = torch.isin(parts, torch.tensor(gone, dtype=torch.int64))
                f = stitched_logits(network, torch.where(mask, other, case.image), SETTINGS)
                values.append(float(literal_score(score, f, c) if score else score_of(f, case.scores, c)))
                shares.append(float(mask.double().mean()))
            return float(np.trapezoid(np.array(values) - values[-1], shares) / abs(values[0] - values[-1]))

        found["deletion"].append(area(order))
        found["insertion"].append(area(order[::-1]))
        found["insertion_deletion"].append(found["insertion"][-1] - found["deletion"][-1])
    return found


@pytest.mark.parametrize(
    ("supervoxels", "steps", "score", "channels", "recomputed"),
    [
        (Cubes(20), 6, SumScore(), 1, False),
        (Cubes(7), 40, MarginScore(), 2, False),
        (Semantic(), 3, SumScore(), 1, False),
        (Cubes(5), 1, SumScore(), 1, False),
        (Cubes(6), 4, SumScore(), 1, True),
    ],
)
def test_equals_the_slow_version(
    supervoxels: Supervoxels, steps: int, score: Score, channels: int, recomputed: bool
) -> None:
    case = evaluation(toy_network(channels), random_image(1, channels), score=score, recomputed=recomputed)
    metric = InsertionDeletion(supervoxels, steps, baseline=Mean())
    found, expected = metric.evaluate(case), slow(case, metric, score if recomputed else None)
    assert set(found) == {*NAMES, "least_relevant_first", "most_relevant_first"}
    for name in NAMES:
        assert found[name].tolist() == pytest.approx(expected[name], abs=1e-8)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slopes", [[0.5, 1.0], [-0.5, -1.0]])
def test_the_true_order_has_the_largest_area_of_all(seed: int, slopes: list[float]) -> None:
    """A linear network, for rising and for falling scores (slopes < 0), over unequal supervoxels."""
    network, image = LinearNetwork(slopes, [0.0, -0.5 * (slopes[1] - slopes[0])]), random_image(seed)
    metric = InsertionDeletion(Cubes(5))
    true = evaluation(network, image)
    parts = metric.supervoxels(image, true.prediction.masks)
    n = int(parts.max()) + 1
    density = torch.stack([densities(true.attribution.dense(k), parts) for k in range(2)])
    best = metric.evaluate(evaluation(network, image, classes=(0, 1)))["insertion_deletion"]
    for order in itertools.permutations(range(n)):
        values = density.sort(dim=1).values[:, list(order)]
        other = evaluation(network, image, Fixed(SupervoxelAttribution(parts, values, "value")), classes=(0, 1))
        assert bool((metric.evaluate(other)["insertion_deletion"] <= best + 1e-9).all())
    worst = Fixed(SupervoxelAttribution(parts, -density, "value"))
    found = metric.evaluate(evaluation(network, image, worst, classes=(0, 1)))["insertion_deletion"]
    assert torch.allclose(found, -best, atol=1e-9)
    assert float(best.min()) > 0


def test_curves_run_from_one_or_minus_one_to_zero() -> None:
    share = torch.linspace(0, 1, 11).double()
    assert normalised_curve(5 - 3 * share).tolist() == pytest.approx((1 - share).tolist())
    assert normalised_curve(5 + 3 * share).tolist() == pytest.approx((share - 1).tolist())


def test_areas_are_those_under_the_curves_that_come_with_them() -> None:
    found = InsertionDeletion(Cubes(12), 5).evaluate(evaluation(toy_network(), random_image()))
    for name, curve in (("insertion", "least_relevant_first"), ("deletion", "most_relevant_first")):
        curves = found[curve]
        assert curves.shape == (4, 6, 2)
        assert (curves[:, 0, 0] == 0).all() and (curves[:, -1, 0] == 1).all() and (curves[..., 0].diff() > 0).all()
        assert (curves[:, 0, 1].abs() == 1).all() and (curves[:, -1, 1] == 0).all()
        for value, (x, y) in zip(found[name], curves.mT.numpy(), strict=True):
            assert np.trapezoid(y, x) == pytest.approx(float(value))


def tied(n: int, groups: list[list[int]]) -> Tensor:
    """Densities (n,) with the groups in falling order; 1e-9 apart inside a group, as rounding leaves them."""
    density = torch.zeros(n, dtype=torch.float64)
    for value, group in enumerate(groups):
        for i, s in enumerate(group):
            density[s] = len(groups) - value + 1e-9 * i
    return density


@pytest.mark.parametrize("steps", [3, 40])
@pytest.mark.parametrize("groups", [[[0, 3], [1, 2]], [[0, 1, 2, 3]], [[2], [0, 1, 3]]])
def test_ties_are_the_mean_over_all_orders_of_an_additive_score(groups: list[list[int]], steps: int) -> None:
    network, image = LinearNetwork([0.5, 1.0], [0.0, -0.25]), random_image()[:, :8, :8, :8]
    parts = (torch.arange(8)[:, None, None] // 4 * 2 + torch.arange(8)[None, :, None] // 4).expand(8, 8, 8)
    boxes = Given(parts.contiguous())
    metric, density = InsertionDeletion(boxes, steps), tied(4, groups)

    def found(values: Tensor) -> dict[str, Tensor]:
        e = SupervoxelAttribution(parts.contiguous(), values.expand(2, 4).clone(), "value")
        case = evaluation(network, image, Fixed(e), classes=(0, 1))
        return {name: value for name, value in metric.evaluate(case).items() if name in NAMES}

    orders = [
        [s for group in choice for s in group]
        for choice in itertools.product(*(itertools.permutations(group) for group in groups))
    ]
    each = [found(torch.tensor([4.0 - order.index(s) for s in range(4)]).double()) for order in orders]
    for name, value in found(density).items():
        mean = torch.stack([one[name] for one in each]).mean(dim=0)
        assert value.tolist() == pytest.approx(mean.tolist(), abs=1e-9)


def test_rounding_decides_nothing_where_densities_tie() -> None:
    """The same tie with its supervoxels in another order, or rounded otherwise, gives the same curves."""
    parts = Cubes(20)(random_image(), torch.zeros(SHAPE))
    n = int(parts.max()) + 1
    levels = torch.randint(-1, 2, (4, n), generator=torch.Generator().manual_seed(1)).double()
    curves = []
    for seed in range(4):
        noise = 1e-8 * torch.randn(4, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        e = SupervoxelAttribution(parts, levels + noise, "value")
        curves.append(InsertionDeletion(Cubes(20), 7).evaluate(evaluation(toy_network(), random_image(), Fixed(e))))
    for other in curves[1:]:
        for name, value in other.items():
            assert torch.allclose(value, curves[0][name], atol=1e-9), name


def test_a_network_that_sees_only_a_part_gives_the_same_for_every_window_batch() -> None:
    """Gradients of the rest are equal up to rounding; in float32 batches round differently."""
    image = torch.rand(1, 16, 16, 16, generator=torch.Generator().manual_seed(3))
    image[..., 6:] = 0.25
    found = []
    for batch in (1, 2, 5):
        settings = SlidingWindow((8, 8, 8), 0.5, "gaussian", batch)
        case = evaluation(toy_network(), image, settings=settings)
        found.append(InsertionDeletion(Cubes(64), 20).evaluate(case)["insertion_deletion"])
    for other in found[1:]:
        assert other.tolist() == pytest.approx(found[0].tolist(), abs=1e-4, nan_ok=True)


def test_supervoxels_may_be_a_label_map_of_the_case() -> None:
    atlas = torch.arange(720).reshape(SHAPE) // 90 * 3
    metric = InsertionDeletion(LabelMap("{case}/atlas.nii.gz"), 4)
    case, before = evaluation(toy_network(), random_image()), metric.settings()
    expected = InsertionDeletion(Given(atlas), 4).evaluate(case)
    with_atlas = replace(case, case=replace(case.case, label_map=atlas))
    for name, value in metric.evaluate(with_atlas).items():
        torch.testing.assert_close(value, expected[name], equal_nan=True)
    assert metric.settings() == before
    with pytest.raises(CaseError, match="expected the label map a/atlas"):
        metric.check(small_case())


def test_supervoxels_leave_in_order() -> None:
    kept = remaining(torch.tensor([2, 0, 1]), torch.tensor([0, 1, 2, 3]))
    assert kept.tolist() == [[True] * 3, [True, True, False], [False, True, False], [False] * 3]


def test_density_is_the_mean_over_voxels() -> None:
    partition = (torch.arange(720).reshape(SHAPE) >= 100).long()
    e = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    flat = e.double().sum(0).flatten()
    assert densities(e, partition).tolist() == pytest.approx([float(flat[:100].mean()), float(flat[100:].mean())])


def test_each_class_has_its_own_order_and_its_own_windows() -> None:
    image, metric = random_image(), InsertionDeletion(Cubes(12), 5)
    together = evaluation(toy_network(), image)
    found = metric.evaluate(together)
    alone = [evaluation(toy_network(), image, classes=(c,)) for c in range(4)]
    for name in NAMES:
        each = torch.cat([metric.evaluate(case)[name] for case in alone])
        assert torch.allclose(each, found[name], atol=1e-12)


def test_equal_patterns_are_evaluated_once() -> None:
    case = evaluation(toy_network(), random_image(), settings=SlidingWindow((5, 4, 5), 0.0))
    metric = InsertionDeletion(Cubes(8), 8)  # 2 x 2 x 2 windows, nearly one cube in each
    before = case.model.passes
    metric.evaluate(case)
    windows = len(case.model.plan(case.image).windows)
    images = metric.evaluations(4)[0]
    assert images == 64
    done = case.model.passes.window_forwards - before.window_forwards
    assert done + case.model.passes.reused - before.reused <= images * windows
    assert done < 0.5 * images * windows


def test_undefined_is_nan_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    network = toy_network()
    network.last.bias.data[2] = -1e3
    values = torch.rand(4, 1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[1] = 0
    metric = InsertionDeletion(Cubes(4), 4)
    found = metric.evaluate(evaluation(network, random_image(), Fixed(values)))
    for name in NAMES:
        assert found[name].isnan().tolist() == [False, True, True, False]
    assert found["most_relevant_first"][..., 1].isnan().any(dim=1).tolist() == [False, True, True, False]
    assert not found["most_relevant_first"][..., 0].isnan().any()
    black = torch.zeros(1, *SHAPE, dtype=torch.float64)
    with caplog.at_level(logging.INFO):
        found = metric.evaluate(evaluation(toy_network(), black, Fixed(values + 1)))
    assert bool(found["insertion_deletion"].isnan().all())
    assert "its score is the same for image and baseline" in caplog.text


def test_cubes_are_its_own_whatever_the_attribution_is_made_of() -> None:
    def compact(case: ExplainedCase) -> Tensor:
        return case.attribution.dense(0)

    partition = Semantic()(random_image(), ExclusiveMasks(torch.arange(720).reshape(SHAPE) // 100, 8))
    values = torch.randn(4, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    e = SupervoxelAttribution(partition, values)
    case = evaluation(toy_network(), random_image(), Fixed(e))
    voxels = evaluation(toy_network(), random_image(), Fixed(torch.stack([e.dense(k) for k in range(4)])))
    assert torch.equal(compact(case), compact(voxels))
    metric = InsertionDeletion(Cubes(12), 5)
    assert torch.allclose(metric.evaluate(case)["insertion"], metric.evaluate(voxels)["insertion"])


def test_default_are_64_cubes_and_gradient_times_input_beats_chance() -> None:
    metric = InsertionDeletion()
    assert metric.supervoxels == Cubes(64)
    case = evaluation(toy_network(), random_image(), InputXGradient())
    values = torch.randn(4, 1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    chance = evaluation(toy_network(), random_image(), Fixed(values))
    assert float((metric.evaluate(case)[metric.name] - metric.evaluate(chance)[metric.name]).min()) > 0


@pytest.mark.parametrize("steps", [0, 2.5])
def test_values_that_are_not_allowed(steps) -> None:
    with pytest.raises(SettingError):
        InsertionDeletion(steps=steps)


def test_windows_without_the_class_are_skipped() -> None:
    case = evaluation(toy_network(), random_image(), classes=(0, 1))
    case.prediction.label_map.copy_(torch.where(torch.arange(10) < 1, 0, 1).expand(SHAPE))  # 0 at one end, 1 elsewhere
    object.__setattr__(case, "scores", SumScore()(case.prediction, (0, 1)))
    before = case.model.passes
    InsertionDeletion(Cubes(8), 4).evaluate(case)
    windows = case.model.plan(case.image).windows
    touched = sum(w[2].start == 0 for w in windows)
    assert touched < len(windows)
    done = case.model.passes.window_forwards + case.model.passes.reused - before.window_forwards - before.reused
    assert done == 8 * (touched + len(windows))
