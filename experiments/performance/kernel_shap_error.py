"""How near KernelSHAP comes to the exact Shapley values of random games, against captum's, for the same evaluations.

Mean over seeds of ‖φ̂ - φ‖² / ‖φ‖². The games have interactions of two players, and for the second row also of three;
their exact Shapley values share each interaction equally among its players. Paired coalitions cancel interactions of
two, so that the first row shows rounding as soon as the rank is full; the second is the harder one.

    python experiments/performance/kernel_shap_error.py --players 64 --samples 1000 --seeds 15
"""

from __future__ import annotations

import argparse
import statistics

import torch
from captum.attr import KernelShap
from torch import Tensor

from agg2exp.attribution.coalitions import shapley_coalitions
from agg2exp.attribution.shapley_regression import shapley_values


class RandomGame:
    """v(z) = Σ a_i z_i + Σ_{i<j} b_ij z_i z_j + Σ_T c_T Π_{i∈T} z_i, each order with variance about 1 in φ.

    Args:
        players: r.
        order: 2, or 3 for 10 r random triples T beside the pairs.
        seed: Seed of the coefficients.
    """

    def __init__(self, players: int, order: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, dtype=torch.float64, generator=generator)

        self.single = normal(players)
        pairs = normal(players, players).triu(1) * 2 / (players - 1) ** 0.5
        self.pairs = pairs
        n_triples = 10 * players if order == 3 else 0
        self.triples = torch.rand(n_triples, players, generator=generator).argsort(dim=1)[:, :3]
        self.of_triples = normal(n_triples) * 3 / 30**0.5
        self.exact = self.single + (pairs + pairs.T).sum(dim=1) / 2
        self.exact.index_add_(0, self.triples.flatten(), self.of_triples.repeat_interleave(3) / 3)
        self.evaluations = 0

    def __call__(self, z: Tensor) -> Tensor:
        """v(z), (N,), of coalitions (N, S)."""
        self.evaluations += len(z)
        z = z.double()
        return z @ self.single + ((z @ self.pairs) * z).sum(dim=1) + z[:, self.triples].prod(dim=2) @ self.of_triples

    def error(self, estimate: Tensor) -> float:
        """‖φ̂ - φ‖² / ‖φ‖²."""
        return float((estimate - self.exact).square().sum() / self.exact.square().sum())


def compare(players: int, samples: int, order: int, seed: int) -> tuple[float, float]:
    """Errors of ours and of captum's on one game, after checking that both used the same number of evaluations."""
    game = RandomGame(players, order, seed)
    coalitions = shapley_coalitions(players, samples, torch.Generator().manual_seed(seed))
    ours = shapley_values(coalitions, game(coalitions.members)[:, None]).values[0]
    used, game.evaluations = game.evaluations, 0
    torch.manual_seed(seed)  # captum draws from the global generator
    ones = torch.ones(1, players, dtype=torch.float64)
    captum = KernelShap(game).attribute(ones, n_samples=samples, perturbations_per_eval=samples)[0]
    if not 0 <= game.evaluations - used <= 1:
        raise SystemExit(f"ours used {used} evaluations, captum's {game.evaluations}: the comparison would be unfair")
    return game.error(ours), game.error(captum)


def main() -> None:
    """Print the mean errors and their ratio for games of second and of third order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--players", type=int, default=64)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=15)
    arguments = parser.parse_args()

    print(f"{arguments.players} players, {arguments.samples} samples, {arguments.seeds} seeds")
    for order in (2, 3):
        errors = [compare(arguments.players, arguments.samples, order, seed) for seed in range(arguments.seeds)]
        ours, captum = (statistics.mean(side) for side in zip(*errors, strict=True))
        bar = " (bar: 5)" if order == 2 else ""
        print(f"order {order}: agg2exp {ours:.3g}, captum {captum:.3g}, captum/agg2exp {captum / ours:.3g}{bar}")


if __name__ == "__main__":
    main()
