"""Cases go to ranks once each, evenly, and the same way every time."""

from itertools import product

import numpy as np
import pytest

from agg2exp.run.distributed.assignment import assign

COSTS = [np.random.default_rng(seed).integers(0, 50, n).tolist() for seed, n in enumerate((1, 2, 5, 11, 40))]


def loads(costs: list[float], shares: list[list[int]]) -> list[float]:
    return [sum(costs[i] for i in share) for share in shares]


@pytest.mark.parametrize(("costs", "ranks"), list(product(COSTS, (1, 2, 3, 8))))
def test_each_case_once_in_ascending_order_and_no_rank_empty(costs: list[float], ranks: int):
    shares = assign(costs, ranks)
    assert len(shares) == ranks
    assert sorted(i for share in shares for i in share) == list(range(len(costs)))
    assert all(share == sorted(share) for share in shares)
    assert sum(not share for share in shares) == max(0, ranks - len(costs))


def test_known_answers():
    assert assign([3, 3, 2, 2, 2], 2) == [[0, 2, 4], [1, 3]]  # 7 and 5; by turns it would be 7 and 5 too
    assert assign([1, 1, 1, 3], 2) == [[3], [0, 1, 2]]
    assert assign([10, 1, 10, 1], 2) == [[0, 1], [2, 3]]  # by turns it would be 20 and 2
    assert assign([0, 0, 0, 0, 0], 2) == [[0, 2, 4], [1, 3]]  # headers that cannot be read
    assert assign([5, 0], 2) == [[0], [1]]


@pytest.mark.parametrize("seed", range(5))
def test_no_rank_has_more_than_four_thirds_of_the_best_division(seed: int):
    costs = np.random.default_rng(seed).integers(1, 30, 8).tolist()
    best = min(
        max(loads(costs, [[i for i in range(8) if to[i] == r] for r in range(3)])) for to in product(range(3), repeat=8)
    )
    assert max(loads(costs, assign(costs, 3))) <= (4 / 3 - 1 / 9) * best
