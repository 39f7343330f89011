"""Which rank explains which case."""

from __future__ import annotations

from collections.abc import Sequence


def assign(costs: Sequence[float], ranks: int) -> list[list[int]]:
    """Deal cases to ranks so that the ranks finish at about the same time.

    The most expensive case left goes to the rank with the least to do (Graham, 1969: at most 4/3 of the shortest
    possible time). Equal costs go in the order of the cases, equally loaded ranks by their number of cases, then by
    rank; so every process finds the same answer, and no rank is empty while there are as many cases as ranks.

    Args:
        costs: Estimated cost of each case, at least 0, in any unit.
        ranks: Number of processes, at least 1.

    Returns:
        For each rank the indices of its cases, ascending; every index appears once.
    """
    shares: list[list[int]] = [[] for _ in range(ranks)]
    loads = [0.0] * ranks
    for case in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        rank = min(range(ranks), key=lambda r: (loads[r], len(shares[r]), r))
        shares[rank].append(case)
        loads[rank] += costs[case]
    return [sorted(share) for share in shares]
