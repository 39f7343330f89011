"""Order of targets that brings similar rows side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage

from agg2exp.domain.roi_importance import GlobalImportance


def clustered(importance: GlobalImportance, norm: Normalize) -> GlobalImportance:
    """The matrix with its targets in the order of `similar_order`, and its sources in the same.

    Rows are compared as the eye compares them, by their place on the colour scale: for shares, whose scale is the root,
    the distance is then √2 times that of Hellinger. Sources that are no targets come after the others: classes that
    were not explained, then extra masks.

    Args:
        importance: Any kind that `norm` fits.
        norm: Value -> [0, 1].
    """
    scaled = np.ma.filled(norm(np.ma.masked_invalid(importance.mean)), np.nan)
    rows = similar_order(scaled)
    targets = [importance.targets[row] for row in rows]
    columns = [importance.sources.index(target) for target in targets if target in importance.sources]
    columns += [column for column in range(len(importance.sources)) if column not in columns]
    parts = {name: getattr(importance, name)[np.ix_(rows, columns)] for name in ("mean", "count", "std", "low", "high")}
    sources = tuple(importance.sources[column] for column in columns)
    return replace(importance, targets=tuple(targets), sources=sources, **parts)


def similar_order(rows: NDArray[np.float64]) -> list[int]:
    """Order of the leaves of a hierarchical clustering of K rows (K, F), turned so that neighbours are alike.

    Euclidean distance, average linkage, leaves as in Bar-Joseph et al. (2001) by SciPy, which does not always find the
    very best turn of the tree (scipy/scipy issue 11227). Columns that lack a value in some row are not compared; rows
    without any value come last.

    Returns:
        Positions of the rows (K); the order given where there is nothing to compare.
    """
    known = ~np.isnan(rows)
    some = np.flatnonzero(known.any(axis=1))
    none = np.flatnonzero(~known.any(axis=1))
    features = rows[some][:, known[some].all(axis=0)]
    if len(some) > 2 and features.shape[1]:
        some = some[leaves_list(linkage(features, "average", metric="euclidean", optimal_ordering=True))]
    return [*map(int, some), *map(int, none)]
