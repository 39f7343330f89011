"""Shapley regression: exact values by brute force, axioms, the KKT system, coverage, rank, captum."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import KernelShap
from torch import Tensor

from agg2exp.attribution.coalitions import Coalitions, shapley_coalitions
from agg2exp.attribution.shapley_regression import shapley_values
from agg2exp.domain.errors import SettingError

Game = Callable[[Tensor], Tensor]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def neural_game(players: int, classes: int = 2, seed: int = 0) -> Game:
    """v(z) of a random network with one hidden layer: interactions of every order, v(∅) ≠ 0."""
    g = generator(seed)
    first, bias, second = (
        torch.randn(*shape, dtype=torch.float64, generator=g) for shape in ((players, 24), (24,), (24, classes))
    )
    return lambda z: torch.tanh(z.double() @ first / 2 + bias) @ second


def table_game(players: int, classes: int = 2, seed: int = 0) -> Game:
    """A random number for every coalition."""
    table = torch.randn(2**players, classes, dtype=torch.float64, generator=generator(seed))
    return lambda z: table[(z.long() << torch.arange(players)).sum(dim=1)]


def quadratic_game(players: int, seed: int = 0) -> tuple[Game, Tensor]:
    """v(z) = Σ a_i z_i + Σ_{i<j} b_ij z_i z_j, and its exact values a_i + ½ Σ_j b_ij."""
    g = generator(seed)
    single = torch.randn(players, dtype=torch.float64, generator=g)
    pairs = torch.randn(players, players, dtype=torch.float64, generator=g).triu(1)

    def game(z: Tensor) -> Tensor:
        z = z.double()
        return (z @ single + ((z @ pairs) * z).sum(dim=1))[:, None]

    return game, single + (pairs + pairs.T).sum(dim=1) / 2


def by_subsets(game: Game, players: int) -> Tensor:
    """φ_j = Σ_{z∌j} |z|! (r - |z| - 1)! / r! (v(z ∪ j) - v(z)), (K, S)."""
    numbers = torch.arange(2**players)
    z = (numbers[:, None] >> torch.arange(players)) % 2
    v = game(z.bool())
    weight = torch.tensor(
        [math.factorial(s) * math.factorial(players - s - 1) / math.factorial(players) for s in range(players)],
        dtype=torch.float64,
    )
    phi = []
    for j in range(players):
        without = numbers[z[:, j] == 0]
        phi.append((weight[z[without].sum(dim=1)][:, None] * (v[without + 2**j] - v[without])).sum(dim=0))
    return torch.stack(phi, dim=1)


def by_permutations(game: Game, players: int) -> Tensor:
    """The mean over orders of joining of what each player adds, (K, S)."""
    phi = torch.zeros(players, game(torch.zeros(1, players).bool()).shape[1], dtype=torch.float64)
    for order in itertools.permutations(range(players)):
        z = torch.zeros(players + 1, players, dtype=torch.bool)
        for step, player in enumerate(order):
            z[step + 1 :, player] = True
        phi[list(order)] += game(z).diff(dim=0)
    return (phi / math.factorial(players)).T


def by_kkt(coalitions: Coalitions, scores: Tensor, ridge: float) -> np.ndarray:
    """The stationary point of the Lagrangian, unpaired and uncentred: [2A 1; 1ᵀ 0] [φ; ν] = [2b; Δ], (K, S)."""
    z, v, w = coalitions.members.double().numpy(), scores.numpy(), coalitions.weights.numpy()
    r, delta = z.shape[1], v[1] - v[0]
    z, y, w = z[2:], (v - v[0])[2:], w[2:] / w[2:].sum()
    system = np.ones((r + 1, r + 1))
    system[r, r] = 0
    system[:r, :r] = 2 * ((z * w[:, None]).T @ z + ridge * np.eye(r))
    right = np.vstack([2 * ((z * w[:, None]).T @ y + ridge * delta / r), delta])
    return np.linalg.solve(system, right)[:r].T


@pytest.mark.parametrize("players", range(1, 11))
@pytest.mark.parametrize("kind", [neural_game, table_game])
def test_enumerated_values_are_exact(players: int, kind: Callable[..., Game]) -> None:
    game = kind(players, 3, seed=players)
    coalitions = shapley_coalitions(players, 2**players, generator())
    estimate = shapley_values(coalitions, game(coalitions.members))
    torch.testing.assert_close(estimate.values, by_subsets(game, players), rtol=1e-9, atol=1e-11)
    assert torch.equal(estimate.standard_errors, torch.zeros(3, players, dtype=torch.float64))
    assert estimate.rank == players - 1
    assert not estimate.underdetermined


def test_the_two_brute_forces_agree() -> None:
    game = table_game(6)
    torch.testing.assert_close(by_permutations(game, 6), by_subsets(game, 6))


def test_error_falls_like_one_over_n() -> None:
    game = neural_game(12, 8)
    exact = by_subsets(game, 12)
    errors = []
    for samples in (100, 400, 1600):
        drawn = [shapley_coalitions(12, samples, generator(seed)) for seed in range(30)]
        squared = [(shapley_values(c, game(c.members)).values - exact).square().mean() for c in drawn]
        errors.append(float(torch.stack(squared).mean()))
    assert 3 < errors[0] / errors[1] < 7  # a little above 4: few samples lose degrees of freedom
    assert 3 < errors[1] / errors[2] < 5.5


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_additive_game_is_exact_as_soon_as_the_rank_is_full(paired: bool, seed: int) -> None:
    players = 20
    worth = torch.randn(players, dtype=torch.float64, generator=generator(seed))
    outcomes = set()
    for samples in range(20, 90, 3):
        coalitions = shapley_coalitions(players, samples, generator(100 * seed + samples), paired)
        estimate = shapley_values(coalitions, (3 + coalitions.members.double() @ worth)[:, None])
        exact = bool(torch.allclose(estimate.values[0], worth, rtol=0, atol=1e-10))
        assert exact == (not estimate.underdetermined)
        outcomes.add(exact)
    assert outcomes == {True, False}


def test_pairs_solve_games_of_second_order_exactly_and_single_draws_do_not() -> None:
    game, exact = quadratic_game(17)
    errors = {}
    for paired in (True, False):
        coalitions = shapley_coalitions(17, 200, generator(), paired)
        estimate = shapley_values(coalitions, game(coalitions.members))
        assert not estimate.underdetermined
        errors[paired] = float((estimate.values[0] - exact).abs().max())
    assert errors[True] < 1e-11
    assert errors[False] > 1e-2


@pytest.mark.parametrize("seed", range(4))
def test_dummy_and_symmetric_players_when_enumerated(seed: int) -> None:
    g = generator(seed)
    table = torch.randn(2, 2, 2, 3, dtype=torch.float64, generator=g)

    def game(z: Tensor) -> Tensor:
        z = z.long()  # player 0 adds 1.5 to everything, 1 and 2 count together, 5 does nothing
        return (1.5 * z[:, 0] + table[z[:, 3], z[:, 4], 0, z[:, 1] + z[:, 2]])[:, None]

    coalitions = shapley_coalitions(6, 64, generator(seed))
    phi = shapley_values(coalitions, game(coalitions.members)).values[0]
    assert float(phi[0]) == pytest.approx(1.5, abs=1e-12)
    assert float(phi[1]) == pytest.approx(float(phi[2]), abs=1e-12)
    assert float(phi[5]) == pytest.approx(0, abs=1e-12)


def test_dummy_and_symmetric_players_on_average_over_samples() -> None:
    def game(z: Tensor) -> Tensor:
        z = z.double()
        return (z[:, 0] * z[:, 1] * z[:, 2] + torch.tanh(z[:, 3:8].sum(dim=1)))[:, None]

    drawn = [shapley_coalitions(10, 120, generator(seed)) for seed in range(200)]
    phi = torch.stack([shapley_values(c, game(c.members)).values[0] for c in drawn])
    spread = phi.std(dim=0) / len(phi) ** 0.5
    assert (phi.mean(dim=0)[8:].abs() < 4 * spread[8:]).all()  # dummies
    assert abs(phi.mean(dim=0)[0] - phi.mean(dim=0)[1]) < 4 * (spread[0] + spread[1])
    assert phi.mean(dim=0)[:3].sum() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize(
    ("players", "samples", "paired"),
    [(1, 2, True), (2, 3, True), (5, 32, True), (17, 200, True), (17, 200, False), (64, 60, True), (300, 301, False)],
)
def test_efficiency(players: int, samples: int, paired: bool, ridge: float) -> None:
    coalitions = shapley_coalitions(players, samples, generator(1), paired)
    scores = 1e6 * (3 + neural_game(players, 4)(coalitions.members))
    phi = shapley_values(coalitions, scores, ridge).values
    torch.testing.assert_close(phi.sum(dim=1), scores[1] - scores[0], rtol=1e-11, atol=1e-7)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 0.5])
@pytest.mark.parametrize(
    ("players", "samples", "paired"), [(3, 8, True), (6, 64, True), (9, 100, True), (9, 100, False), (17, 201, True)]
)
def test_equals_the_kkt_system(players: int, samples: int, paired: bool, ridge: float) -> None:
    coalitions = shapley_coalitions(players, samples, generator(2), paired)
    scores = neural_game(players, 3)(coalitions.members)
    estimate = shapley_values(coalitions, scores, ridge)
    assert estimate.rank == players - 1
    np.testing.assert_allclose(estimate.values.numpy(), by_kkt(coalitions, scores, ridge), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("paired", [True, False])
def test_a_ridge_determines_what_the_coalitions_do_not(paired: bool) -> None:
    coalitions = shapley_coalitions(30, 24, generator(2), paired)
    scores = neural_game(30, 3)(coalitions.members)
    estimate = shapley_values(coalitions, scores, 0.05)
    np.testing.assert_allclose(estimate.values.numpy(), by_kkt(coalitions, scores, 0.05), rtol=1e-8, atol=1e-10)
    assert not estimate.underdetermined
    assert estimate.rank < 29
    assert estimate.standard_errors.isnan().all()


def test_a_large_ridge_shares_equally_and_a_small_one_shrinks_as_documented() -> None:
    coalitions = shapley_coalitions(8, 256, generator())
    scores = table_game(8)(coalitions.members)
    exact, delta = shapley_values(coalitions, scores).values, (scores[1] - scores[0])[:, None]
    shrunk = delta / 8 + (exact - delta / 8) / (1 + 2 * 0.3 * sum(1 / k for k in range(1, 8)))
    torch.testing.assert_close(shapley_values(coalitions, scores, 0.3).values, shrunk)
    torch.testing.assert_close(shapley_values(coalitions, scores, 1e12).values, (delta / 8).expand(2, 8))


@pytest.mark.parametrize(
    ("players", "samples", "paired"),
    [(40, 30, True), (40, 30, False), (17, 12, True), (17, 12, False), (5, 4, True), (6, 2, False), (2, 3, True)],
)
def test_underdetermined_is_the_solution_of_minimum_norm(players: int, samples: int, paired: bool) -> None:
    coalitions = shapley_coalitions(players, samples, generator(3), paired)
    scores = neural_game(players, 2)(coalitions.members)
    estimate = shapley_values(coalitions, scores)
    z, v = coalitions.members.double().numpy(), scores.numpy()
    # an orthonormal basis of the sum-zero space, all coalitions as rows, numpy's pseudo-inverse
    basis = np.linalg.qr(np.eye(players)[:, :-1] - 1 / players)[0]
    delta = v[1] - v[0]
    design = z[2:] @ basis
    target = v[2:] - v[0] - z[2:].sum(axis=1, keepdims=True) * delta / players
    expected = delta / players + basis @ np.linalg.pinv(design, rcond=1e-10) @ target
    np.testing.assert_allclose(estimate.values.numpy(), expected.T, rtol=1e-8, atol=1e-9)
    assert estimate.rank == (np.linalg.matrix_rank(design, rtol=1e-10) if len(design) else 0)
    assert estimate.underdetermined
    assert estimate.standard_errors.isnan().all()


def test_the_papers_cubes_are_underdetermined() -> None:
    ranks = []
    for seed in range(3):
        coalitions = shapley_coalitions(512, 1000, generator(seed))
        estimate = shapley_values(coalitions, neural_game(512, 1)(coalitions.members))
        assert estimate.underdetermined
        ranks.append(estimate.rank)
    assert all(480 <= rank <= 499 for rank in ranks), ranks  # 499 pairs less the singletons drawn twice


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("kind", [neural_game, table_game])
def test_95_percent_intervals_cover_the_exact_values(paired: bool, kind: Callable[..., Game]) -> None:
    game = kind(17, 4)
    exact = by_subsets(game, 17)
    covered = []
    for seed in range(150):
        coalitions = shapley_coalitions(17, 200, generator(seed), paired)
        estimate = shapley_values(coalitions, game(coalitions.members))
        covered.append((estimate.values - exact).abs() < 1.96 * estimate.standard_errors)
    per_game = torch.stack(covered).double().mean(dim=(0, 2))
    assert ((per_game > 0.90) & (per_game < 0.98)).all(), per_game


def test_standard_errors_are_the_jackknife_over_pairs() -> None:
    coalitions = shapley_coalitions(6, 42, generator(4))
    scores = neural_game(6, 2)(coalitions.members)
    estimate = shapley_values(coalitions, scores)
    changes = []
    for pair in range(20):
        keep = [i for i in range(42) if (i - 2) // 2 != pair]
        fewer = Coalitions(coalitions.members[keep], coalitions.weights[keep], exhaustive=False, paired=True)
        changes.append(shapley_values(fewer, scores[keep]).values - estimate.values)
    torch.testing.assert_close(estimate.standard_errors, torch.stack(changes).square().sum(dim=0).sqrt())


def test_no_standard_errors_without_a_coalition_to_spare() -> None:
    singles = torch.eye(5, dtype=torch.bool)[:4]
    members = torch.cat([torch.zeros(1, 5).bool(), torch.ones(1, 5).bool(), singles])
    coalitions = Coalitions(members, torch.ones(6, dtype=torch.float64), exhaustive=False, paired=False)
    estimate = shapley_values(coalitions, neural_game(5)(members))
    assert estimate.rank == 4
    assert not estimate.underdetermined
    assert estimate.standard_errors.isnan().all()


@pytest.mark.parametrize("paired", [True, False])
def test_a_game_alone_equals_the_game_among_others(paired: bool) -> None:
    coalitions = shapley_coalitions(17, 200, generator(), paired)
    scores = neural_game(17, 5)(coalitions.members)
    together = shapley_values(coalitions, scores)
    for k in range(5):
        alone = shapley_values(coalitions, scores[:, [k]])
        torch.testing.assert_close(alone.values[0], together.values[k], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(alone.standard_errors[0], together.standard_errors[k], rtol=1e-10, atol=1e-12)


def test_agrees_with_captum_within_captums_sampling_error() -> None:
    players, samples, runs = 8, 300, 30
    game = neural_game(players, 1)
    coalitions = shapley_coalitions(players, 2**players, generator())
    ours = shapley_values(coalitions, game(coalitions.members)).values[0]
    sampled = shapley_coalitions(players, 200, generator())
    few = shapley_values(sampled, game(sampled.members))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        method = KernelShap(lambda z: game(z)[:, 0])
        theirs = torch.stack(
            [
                method.attribute(torch.ones(1, players), n_samples=samples, perturbations_per_eval=samples)[0]
                for _ in range(runs)
            ]
        ).double()
    spread = theirs.std(dim=0)
    assert ((theirs.mean(dim=0) - ours).abs() < 4 * spread / runs**0.5 + 1e-5).all()
    assert ((few.values[0] - ours).abs() < 4 * few.standard_errors[0]).all()
    assert ((theirs - ours).abs() < 5 * spread + 1e-5).all()


def test_one_player_gets_everything() -> None:
    coalitions = shapley_coalitions(1, 2, generator())
    estimate = shapley_values(coalitions, torch.tensor([[1.0, 5.0], [4.0, 3.0]]))
    assert estimate.values.tolist() == [[3.0], [-2.0]]
    assert estimate.standard_errors.tolist() == [[0.0], [0.0]]
    assert not estimate.underdetermined


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_name_the_coalition(value: float) -> None:
    coalitions = shapley_coalitions(9, 40, generator())
    scores = torch.zeros(40, 3)
    scores[13, 2] = value
    with pytest.raises(ValueError, match=r"coalition 13 \(\d of 9 players\) and class column 2"):
        shapley_values(coalitions, scores)


@pytest.mark.parametrize("shape", [(40,), (39, 3), (3, 40)])
def test_scores_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected shape \(40, K\)"):
        shapley_values(shapley_coalitions(9, 40, generator()), torch.zeros(shape))


def test_negative_ridge() -> None:
    with pytest.raises(SettingError, match="ridge"):
        shapley_values(shapley_coalitions(9, 40, generator()), torch.zeros(40, 1), -1.0)
