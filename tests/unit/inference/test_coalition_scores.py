"""Coalitions window by window against one whole perturbed image per coalition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agg2exp.domain.class_scores import ClassScores
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import MarginScore, MeanScore, MedianScore, ProbabilityScore, Score, SumScore
from tests.helpers.networks import ToyNetwork
from tests.unit.inference.slow import relative, score_of, stitched_logits

ALL = (0, 1, 2, 3)


def game(
    shape: tuple[int, int, int], channels: int, seed: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Image, baseline, slabs of a random thickness along the last axis, and coalitions of which many are equal."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(channels, *shape, dtype=dtype, generator=generator)
    baseline = 0.2 * torch.rand(channels, *shape, dtype=dtype, generator=generator)
    partition = (torch.arange(shape[2]) * 5 // shape[2]).expand(shape).clone()
    partition[: shape[0] // 2, :2] = 5  # a sixth supervoxel that only some windows see
    distinct = torch.rand(12, 6, generator=generator) < 0.5
    members = torch.cat([distinct[torch.randint(12, (24,), generator=generator)], distinct])
    return image, baseline, partition, members


def window_patterns(model: WindowedModel, partition: Tensor, members: Tensor, scores: ClassScores) -> list[int]:
    """For each window with weight of an explained class: how many different coalitions of its own supervoxels."""
    plan = model.plan(partition)
    starts = plan.padding[::-1][1::2]
    found = []
    for window in plan.windows:
        inside = tuple(
            slice(max(w.start - before, 0), max(w.stop - before, 0)) for w, before in zip(window, starts, strict=True)
        )
        explained = [
            torch.isin(layer.label_map[inside], torch.tensor(scores.classes)) & (layer.weights[inside] != 0)
            for layer in scores.layers
        ]
        if torch.stack(explained).any():
            present = sorted(set(partition[inside].flatten().tolist()))
            found.append(len({tuple(bool(z[s]) for s in present) for z in members}))
    return found


CASES = [
    # shape, channels, settings, score, classes
    ((13, 8, 11), 1, SlidingWindow((8, 8, 8), 0.25, "constant", 2), SumScore(), ALL),
    ((13, 8, 11), 2, SlidingWindow((8, 8, 8), 0.5, "gaussian", 5), MarginScore(), ALL),
    ((6, 9, 17), 1, SlidingWindow((8, 8, 8), 0.5, "gaussian", 3, pad=0.7), ProbabilityScore(), ALL),
    ((5, 6, 7), 1, SlidingWindow((8, 8, 8), 0.0, "constant", 4, pad=0.3), MeanScore(), ALL),
    ((8, 8, 8), 1, SlidingWindow((8, 8, 8), 0.0, "constant", 1), SumScore(), ALL),
    ((9, 8, 26), 1, SlidingWindow((8, 8, 8), 0.25, "gaussian", 7), MedianScore(), (3, 1)),
    ((9, 8, 26), 2, SlidingWindow((8, 8, 8), 0.0, "constant", 2), MarginScore(), (2,)),
]


@pytest.mark.parametrize(("shape", "channels", "settings", "score", "classes"), CASES)
def test_values_and_counts_are_those_of_whole_images(
    shape: tuple[int, int, int], channels: int, settings: SlidingWindow, score: Score, classes: tuple[int, ...]
) -> None:
    network = ToyNetwork(channels, seed=channels).double().eval()
    image, baseline, partition, members = game(shape, channels, seed=len(shape) + channels)
    done: list[int] = []
    model = WindowedModel(network, settings, done.append)
    scores = score(model.predict(image), classes)
    before, told = model.passes, sum(done)
    values = model.coalition_scores(image, baseline, partition, members, scores)

    assert values.shape == (36, len(classes))
    assert values.dtype == torch.float64
    for n, z in enumerate(members):
        logits = stitched_logits(network, torch.where(z[partition], image, baseline), settings)
        expected = torch.stack([score_of(logits, scores, c) for c in classes])
        assert relative(values[n], expected) < 1e-10

    patterns = window_patterns(model, partition, members, scores)
    assert model.passes.window_forwards - before.window_forwards == sum(patterns)
    assert model.passes.reused == len(members) * len(patterns) - sum(patterns) > 0
    assert model.passes.window_backwards == 0
    assert sum(done) - told == len(members) * len(model.plan(image).windows)


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (3,), (1, 3), ALL])
def test_windows_without_an_explained_class_are_not_evaluated(wanted: tuple[int, ...]) -> None:
    image, baseline, partition, members = game((8, 8, 24), 1, seed=0)
    labels = torch.zeros(8, 8, 24, dtype=torch.int16)
    labels[..., :8] = 1  # one window each for class 1, for 0 and 2, and for 3 without any weight
    labels[:2, :, 8:16] = 2
    labels[..., 16:] = 3
    weights = torch.ones(8, 8, 24, dtype=torch.float64)
    weights[..., 16:] = 0
    scores = ClassScores.of(wanted, labels, weights)
    model = WindowedModel(ToyNetwork().double(), SlidingWindow((8, 8, 8), overlap=0.0))
    values = model.coalition_scores(image, baseline, partition, members, scores)
    patterns = window_patterns(model, partition, members, scores)
    assert len(patterns) == len({{1: 0, 0: 1, 2: 1}[c] for c in wanted if c != 3})
    assert model.passes.window_forwards == sum(patterns)
    if 3 in wanted:
        assert not values[:, wanted.index(3)].any()


def test_batch_of_windows_changes_nothing_but_rounding() -> None:
    image, baseline, partition, members = game((13, 8, 11), 1, seed=3, dtype=torch.float32)
    network = ToyNetwork()
    found = []
    for batch in (1, 3, 64):
        model = WindowedModel(network, SlidingWindow((8, 8, 8), 0.5, "gaussian", batch))
        scores = MeanScore()(model.predict(image), ALL)
        found.append(model.coalition_scores(image, baseline, partition, members, scores))
    assert torch.allclose(found[1], found[0], rtol=1e-5, atol=1e-5)
    assert torch.allclose(found[2], found[0], rtol=1e-5, atol=1e-5)


def test_padding_is_no_player() -> None:
    """A volume inside one window: whoever takes part, the network sees the same padding around it."""

    seen: list[Tensor] = []

    class Watching(ToyNetwork):
        def forward(self, x: Tensor) -> Tensor:
            seen.extend(x)
            return super().forward(x)

    image, baseline, partition, members = game((4, 6, 5), 1, seed=1)
    model = WindowedModel(Watching().double(), SlidingWindow((8, 8, 8), pad=0.25))
    scores = SumScore()(model.predict(image), ALL)
    seen.clear()
    model.coalition_scores(image, baseline, partition, members, scores)
    around = torch.ones(1, 8, 8, 8, dtype=torch.bool)
    around[(slice(None), *model.plan(image).interior)] = False
    assert int(around.sum()) == 8**3 - 4 * 6 * 5
    assert len(seen) == len({tuple(z.tolist()) for z in members})
    assert all((x[around] == 0.25).all() for x in seen)


def test_full_and_empty_coalition_are_image_and_baseline() -> None:
    image, baseline, partition, _ = game((13, 8, 11), 1, seed=2)
    model = WindowedModel(ToyNetwork().double(), SlidingWindow((8, 8, 8)))
    scores = SumScore()(model.predict(image), ALL)
    members = torch.tensor([[True] * 6, [False] * 6])
    values = model.coalition_scores(image, baseline, partition, members, scores)
    assert torch.allclose(values, model.scores(torch.stack([image, baseline]), scores), rtol=1e-12)
