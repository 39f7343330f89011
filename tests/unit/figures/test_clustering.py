from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import PowerNorm

from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.figures.clustering import clustered, similar_order


def slow_clusters(rows: np.ndarray) -> list[frozenset[int]]:
    """Join the two clusters with the smallest mean distance again and again."""
    clusters, joined = [frozenset([i]) for i in range(len(rows))], []

    def distance(a: frozenset[int], b: frozenset[int]) -> float:
        return float(np.mean([np.linalg.norm(rows[i] - rows[j]) for i in a for j in b]))

    while len(clusters) > 1:
        a, b = min(combinations(clusters, 2), key=lambda pair: distance(*pair))
        clusters = [c for c in clusters if c not in (a, b)] + [a | b]
        joined.append(a | b)
    return joined


@pytest.mark.parametrize("seed", range(6))
def test_every_cluster_of_average_linkage_stands_together(seed):
    rows = np.random.default_rng(seed).random((9, 4))
    order = similar_order(rows)
    assert sorted(order) == list(range(9))
    for cluster in slow_clusters(rows):
        places = [order.index(i) for i in cluster]
        assert max(places) - min(places) == len(cluster) - 1


@pytest.mark.parametrize("seed", range(5))
def test_points_on_a_line_come_in_their_order(seed):
    place = np.random.default_rng(seed).permutation(9)
    order = similar_order(place[:, None] * np.ones(3))
    assert list(place[order]) in (list(range(9)), list(range(9))[::-1])


def test_kinds_of_rows_that_alternate_are_brought_together():
    rows = np.tile([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]], (4, 1))
    kinds = [i % 3 for i in similar_order(rows)]
    assert sum(a != b for a, b in pairwise(kinds)) == 2


def test_rows_without_value_come_last_and_columns_with_gaps_are_not_compared():
    rows = np.array([[0.0, 5], [3, np.nan], [np.nan, np.nan], [1, 9], [2, 0], [np.nan, np.nan]])
    assert similar_order(rows) in ([0, 3, 4, 1, 2, 5], [1, 4, 3, 0, 2, 5])


@pytest.mark.parametrize(
    "rows", [np.full((3, 2), np.nan), np.ones((2, 2)), np.array([[1, np.nan], [np.nan, 1], [1, np.nan]])]
)
def test_where_nothing_can_be_compared_the_order_stays(rows):
    assert similar_order(rows) == list(range(len(rows)))


def test_sources_follow_targets_then_unexplained_classes_then_masks():
    sources = ("background", "aorta", "heart", "liver", "nodule")
    mean = np.array([[0.9, 0.0, 0.1, 0, 0], [0.1, 0.8, 0.1, 0, 0], [0.8, 0.0, 0.2, 0, 0.0]])
    count = np.arange(15).reshape(3, 5)
    before = GlobalImportance(Kind.IMPORTANCE, sources[:3], sources, mean, count, mean + 1, mean + 2, mean + 3)
    after = clustered(before, PowerNorm(0.5, 0, 1))
    assert after.targets in (
        ("aorta", "background", "heart"),
        ("heart", "background", "aorta"),
        ("aorta", "heart", "background"),
        ("background", "heart", "aorta"),
    )
    assert after.sources == (*after.targets, "liver", "nodule")
    for name in ("mean", "count", "std", "low", "high"):
        for k, target in enumerate(after.targets):
            for r, source in enumerate(after.sources):
                expected = getattr(before, name)[before.targets.index(target), before.sources.index(source)]
                assert getattr(after, name)[k, r] == expected
