"""The graph of global RoI importance, as data."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import networkx as nx

from agg2exp.domain.errors import check_choice, check_range
from agg2exp.domain.roi_importance import GlobalImportance
from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy

Edge = tuple[str, str]  # source, target


def graph_of(
    importance: GlobalImportance,
    anatomy: Anatomy,
    top: int | None = None,
    *,
    shown: Collection[Edge] | None = None,
    p_values: Mapping[Edge, float] | None = None,
) -> nx.DiGraph:
    """The graph of E[a, b]: edges b -> a for b ≠ a, all or the strongest into each target (Fig. 4).

    Nodes are the sources with `group`, `colour` and `self_importance` E[a, a]. Edges carry `weight` E[a, b] > 0,
    `count` (cases), `ci_low` and `ci_high` (95 %) and `p_value`. What has no value (a class that was not explained or
    not predicted, an interval from too few patients, an edge that was not tested) has no such attribute, so that
    GraphML, which has no common word for it, holds numbers alone. The graph itself carries the `kind` of importance.

    Args:
        importance: Of a kind that is a share.
        anatomy: Groups and colours.
        top: Sources of each target, the largest E[a, b]; of equals, the one that comes first. None for all.
        shown: Edges (b, a) to choose from; None for all.
        p_values: Of edges (b, a).

    Raises:
        SettingError: `top` is less than 1, `shown` has an unknown region, or the kind of importance is no share.
    """
    style.share_label(importance)
    if top is not None:
        check_range("top", top, low=1, integer=True)
    for edge in shown or ():
        check_choice("shown", edge[0], importance.sources)
        check_choice("shown", edge[1], importance.targets)
    graph = nx.DiGraph(kind=importance.kind.value)
    for name in importance.sources:
        graph.add_node(name, group=anatomy.group(name), colour=anatomy.colour(name))
    for k, target in enumerate(importance.targets):
        itself = importance.sources.index(target)
        graph.nodes[target].update(_not_nan(self_importance=importance.mean[k, itself]))
        weights = {
            r: importance.mean[k, r]
            for r, source in enumerate(importance.sources)
            if r != itself and importance.mean[k, r] > 0 and (shown is None or (source, target) in shown)
        }
        for r in sorted(weights, key=lambda r: -weights[r])[:top]:  # stable: equals keep their order
            edge = importance.sources[r], target
            numbers = {
                "weight": weights[r],
                "ci_low": importance.low[k, r],
                "ci_high": importance.high[k, r],
                "p_value": (p_values or {}).get(edge, math.nan),
            }
            graph.add_edge(*edge, count=int(importance.count[k, r]), **_not_nan(**numbers))
    return graph


def _not_nan(**numbers: float) -> dict[str, float]:
    """Those that are not NaN, as Python numbers."""
    return {name: float(number) for name, number in numbers.items() if not math.isnan(number)}
