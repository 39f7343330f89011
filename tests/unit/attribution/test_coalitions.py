"""Coalitions: enumeration, the distribution of the draw, pairs, counts, reproducibility."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from agg2exp.attribution.coalitions import shapley_coalitions, shapley_kernel
from agg2exp.domain.errors import SettingError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_tuples(members: Tensor) -> list[tuple[bool, ...]]:
    return [tuple(row) for row in members.tolist()]


@pytest.mark.parametrize("players", range(1, 11))
@pytest.mark.parametrize("paired", [True, False])
def test_enumeration_gives_each_coalition_once_with_its_kernel_weight(players: int, paired: bool) -> None:
    coalitions = shapley_coalitions(players, 2**players, generator(), paired)
    assert coalitions.exhaustive
    assert len(coalitions.members) == 2**players
    assert set(as_tuples(coalitions.members)) == set(itertools.product([False, True], repeat=players))
    for z, weight in zip(coalitions.members[2:], coalitions.weights[2:].tolist(), strict=True):
        s = int(z.sum())
        # the average over permutations: μ(z) = (r - 1) (s - 1)! (r - s - 1)! / r!
        slow = (players - 1) * math.factorial(s - 1) * math.factorial(players - s - 1) / math.factorial(players)
        assert weight == pytest.approx(slow)


@pytest.mark.parametrize("players", [2, 5, 9])
def test_one_evaluation_too_few_is_a_sample(players: int) -> None:
    assert not shapley_coalitions(players, 2**players - 1, generator()).exhaustive
    assert shapley_coalitions(players, 2**players + 1, generator()).exhaustive


@pytest.mark.parametrize("samples", [2, 3, 4, 5, 100, 101])
@pytest.mark.parametrize("paired", [True, False])
def test_never_more_evaluations_than_asked_for_and_at_most_one_fewer(samples: int, paired: bool) -> None:
    coalitions = shapley_coalitions(17, samples, generator(), paired)
    fewer = 1 if paired and samples % 2 else 0
    assert coalitions.members.shape == (samples - fewer, 17)
    assert coalitions.weights.shape == (samples - fewer,)
    assert coalitions.members.dtype == torch.bool
    assert coalitions.weights.dtype == torch.float64


@pytest.mark.parametrize(("players", "samples"), [(1, 2), (3, 8), (17, 200), (512, 1000)])
@pytest.mark.parametrize("paired", [True, False])
def test_empty_and_full_come_first_and_only_first(players: int, samples: int, paired: bool) -> None:
    coalitions = shapley_coalitions(players, samples, generator(), paired)
    sizes = coalitions.members.sum(dim=1)
    assert sizes[:2].tolist() == [0, players]
    assert coalitions.weights[:2].tolist() == [math.inf, math.inf]
    assert ((sizes[2:] > 0) & (sizes[2:] < players)).all()
    assert coalitions.weights[2:].isfinite().all()


@pytest.mark.parametrize(("players", "samples"), [(3, 8), (10, 1024), (2, 3), (17, 200), (64, 1001)])
def test_pairs_are_complements(players: int, samples: int) -> None:
    coalitions = shapley_coalitions(players, samples, generator())
    assert coalitions.paired
    assert torch.equal(coalitions.members[2::2], ~coalitions.members[3::2])
    assert torch.equal(coalitions.weights[2::2], coalitions.weights[3::2])


def test_unpaired_draws_are_not_complements() -> None:
    coalitions = shapley_coalitions(17, 200, generator(), paired=False)
    assert not coalitions.paired
    assert (coalitions.members[2::2] == ~coalitions.members[3::2]).all(dim=1).double().mean() < 0.1  # by chance


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("players", [3, 6, 17])
def test_sampled_sizes_follow_the_kernel_and_their_weight_is_constant(players: int, paired: bool) -> None:
    step = 2 if paired else 1  # complements are not independent draws
    sizes = []
    for seed in range(2000):
        coalitions = shapley_coalitions(players, min(2**players - 1, 2 + 20 * step), generator(seed), paired)
        assert not coalitions.exhaustive
        assert (coalitions.weights[2:] == 1).all()
        sizes.append(coalitions.members[2::step].sum(dim=1))
    counts = torch.cat(sizes).bincount(minlength=players)[1:].double()
    kernel = [math.comb(players, s) * float(shapley_kernel(players)[s]) for s in range(1, players)]
    expected = counts.sum() * torch.tensor(kernel, dtype=torch.float64) / sum(kernel)
    assert chisquare(counts.numpy(), expected.numpy()).pvalue > 1e-3


def test_subsets_of_one_size_are_uniform() -> None:
    drawn = torch.cat([shapley_coalitions(5, 22, generator(s), paired=False).members[2:] for s in range(1000)])
    of_two = drawn[drawn.sum(dim=1) == 2]
    codes = (of_two.long() << torch.arange(5)).sum(dim=1).bincount()
    counts = codes[codes > 0]
    assert len(counts) == math.comb(5, 2)
    assert chisquare(counts.numpy()).pvalue > 1e-3


def test_same_seed_same_coalitions_whatever_the_global_state() -> None:
    first = shapley_coalitions(64, 300, generator(5))
    with torch.random.fork_rng():
        torch.manual_seed(99)
        state = torch.get_rng_state()
        second = shapley_coalitions(64, 300, generator(5))
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.members, second.members)
    assert not torch.equal(first.members, shapley_coalitions(64, 300, generator(6)).members)


@pytest.mark.parametrize("samples", [1, 0, -3, 2.5, None, True])
def test_too_few_samples(samples: object) -> None:
    with pytest.raises(SettingError, match="n_samples: expected a whole number of at least 2"):
        shapley_coalitions(5, samples, generator())  # type: ignore[arg-type]


def test_no_players() -> None:
    with pytest.raises(SettingError, match="n_players"):
        shapley_coalitions(0, 10, generator())
