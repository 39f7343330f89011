"""Graph of the strongest global RoI importances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import networkx as nx
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from numpy.typing import NDArray

from agg2exp.domain.errors import check_range
from agg2exp.domain.labels import LabelScheme
from agg2exp.domain.roi_importance import GlobalImportance
from agg2exp.figures import style

Height = Literal["outside right upper", "outside right center", "outside right lower"]
Point = NDArray[np.float64]  # (2,)
PULL = 0.55  # how far an edge bends from the chord towards the centre
CROWDED = 24  # with more names than this, level ones would collide at the top and bottom of the ring
LANE = 0.035  # sideways shift that keeps a -> b and b -> a apart, in ring radii


def graph_of(importance: GlobalImportance, scheme: LabelScheme, top: int = 3) -> nx.DiGraph:
    """The complete graph of E[a, b], reduced to the strongest edges into each target (Figure 4).

    Nodes are the sources with `group`, `colour` and `self_importance` (E[a, a]; NaN for what was not
    explained or not predicted). Edges b -> a carry `weight` E[a, b]: the `top` largest positive entries of
    row a with b ≠ a; of equals, the one that comes first among the sources.

    Raises:
        SettingError: `top` is less than 1, or the kind of importance is no share.
    """
    style.share_label(importance)
    check_range("top", top, low=1, integer=True)
    graph = nx.DiGraph()
    for name in importance.sources:
        group, colour = style.group_of(name, scheme), scheme.colour(name)
        graph.add_node(name, group=group, colour=colour, self_importance=math.nan)
    for target, row in zip(importance.targets, importance.mean, strict=True):
        graph.nodes[target]["self_importance"] = float(row[importance.sources.index(target)])
        weights = {b: float(e) for b, e in zip(importance.sources, row, strict=True) if b != target and e > 0}
        strongest = sorted(weights, key=lambda b: -weights[b])[:top]  # stable: equals keep their order
        graph.add_weighted_edges_from((b, target, weights[b]) for b in strongest)
    return graph


def importance_graph(importance: GlobalImportance, scheme: LabelScheme, top: int = 3) -> Figure:
    """Draw `graph_of`: width of an edge and area of a node by importance, colour by anatomical group.

    Nodes stand on a ring, by group, with the names outside and the edges inside: at their anatomical
    positions the organs of a thorax are so close that names and edges would cover each other.

    Raises:
        SettingError: `top` is less than 1, or the kind of importance is no share.
    """
    graph = graph_of(importance, scheme, top)
    place = ring(graph, scheme)
    crowded = len(place) > CROWDED
    radius = max(2.0, 1.2 + 0.09 * len(place))  # inches, so that neighbours keep their distance
    beside = radius + 0.5 + style.name_length(graph)
    above = beside if crowded else radius + 0.5
    figure = style.new_figure(2 * beside + 2.2, 2 * above + 0.9, "Strongest sources of each class")
    axes = figure.add_subplot()
    x, y = beside / radius, above / radius
    axes.set(xlim=(-x, x), ylim=(-y, y), aspect="equal")
    axes.set_axis_off()
    sources = "source" if top == 1 else f"{top} sources"
    axes.set_title(
        f"arrows: the {sources} with the largest {style.share_label(importance)} of each target; "
        f"mean over {style.case_counts(importance)}",
        fontsize=style.SMALL,
        color=style.QUIET,
    )
    for b, a, weight in sorted(graph.edges.data("weight"), key=lambda edge: -edge[2]):
        gap = _radius(graph.nodes[a]["self_importance"]) + 2
        _draw_edge(axes, place[b], place[a], weight, graph.nodes[b]["colour"], gap)
    for name, node in graph.nodes.items():
        _draw_node(axes, place[name], node["colour"], node["self_importance"])
        distance = _radius(node["self_importance"]) + 8
        _write_name(axes, place[name], distance, style.readable(name), radial=crowded)
    _draw_legends(figure, graph, scheme)
    return figure


def ring(graph: nx.DiGraph, scheme: LabelScheme) -> dict[str, Point]:
    """Places on the unit circle, clockwise from the top: background, then group by group."""
    groups = list(scheme.colours)

    def rank(name: str) -> tuple[bool, int]:
        return name != scheme.classes[0], groups.index(graph.nodes[name]["group"])

    names = sorted(graph.nodes, key=rank)
    angles = math.pi / 2 - 2 * math.pi * np.arange(len(names)) / len(names)
    return {n: np.array([math.cos(t), math.sin(t)]) for n, t in zip(names, angles, strict=True)}


def _radius(self_importance: float) -> float:
    """Radius of a node in points: its area grows with self-importance."""
    return math.sqrt(12.0 + 225.0 * (0.0 if math.isnan(self_importance) else self_importance))


def _width(weight: float) -> float:
    """Width of an edge in points: by the root, since background is tens of percent and the others a few."""
    return 9.0 * math.sqrt(weight)


def _draw_edge(axes: Axes, start: Point, end: Point, weight: float, colour: str, gap: float) -> None:
    """An arrow that ends `gap` points before `end` and bends towards the centre of the ring."""
    chord = end - start
    length = float(np.hypot(*chord))
    right = np.array([chord[1], -chord[0]]) / length
    bend = float(-PULL * (start + end) / 2 @ right) + LANE  # of the middle, to the right of travel, as in arc3
    width = _width(weight)
    arrow = FancyArrowPatch(
        (float(start[0]), float(start[1])),
        (float(end[0]), float(end[1])),
        connectionstyle=f"arc3,rad={bend / length}",
        arrowstyle=f"simple,tail_width={width},head_width={width + 5},head_length={0.5 * width + 6}",
        mutation_scale=1,
        linewidth=0,
        color=colour,
        alpha=max(0.25, 0.85 - 0.75 * weight),  # wide edges let the thin ones be seen
        shrinkA=0,
        shrinkB=gap,
        zorder=1,
    )
    axes.add_patch(arrow)


def _draw_node(axes: Axes, at: Point, colour: str, self_importance: float) -> None:
    """A disc; hollow if self-importance has no value."""
    hollow = math.isnan(self_importance)
    axes.scatter(
        at[0],
        at[1],
        s=(2 * _radius(self_importance)) ** 2,
        facecolor="white" if hollow else colour,
        edgecolor=colour if hollow else "white",
        linewidth=1.2,
        zorder=2,
    )


def _write_name(axes: Axes, at: Point, distance: float, name: str, *, radial: bool) -> None:
    """The name outside the ring, `distance` points away: level where there is room, else along the radius."""
    side = math.copysign(1, at[0]) if radial or abs(at[0]) > 1e-6 else 0
    angle = math.degrees(math.atan2(at[1], at[0]))
    axes.annotate(
        name,
        xy=(float(at[0]), float(at[1])),
        xytext=(float(at[0]) * distance, float(at[1]) * distance),
        textcoords="offset points",
        ha="left" if side > 0 else "right" if side < 0 else "center",
        va="center",
        rotation=(angle if side > 0 else angle + 180) if radial else 0.0,
        rotation_mode="anchor",
        fontsize=style.TEXT,
        color=style.INK,
    )


def _draw_legends(figure: Figure, graph: nx.DiGraph, scheme: LabelScheme) -> None:
    """Groups, edge widths and node areas, one under the other at the right."""
    samples = (0.01, 0.1, 0.5)
    line: dict[str, Any] = {"color": style.QUIET, "solid_capstyle": "butt"}
    disc: dict[str, Any] = {
        "linestyle": "none",
        "marker": "o",
        "color": style.QUIET,
        "markeredgecolor": "white",
    }
    edges = [Line2D([], [], linewidth=_width(s), label=f"{s:.0%}", **line) for s in samples]
    nodes = [Line2D([], [], markersize=2 * _radius(s), label=f"{s:.0%}", **disc) for s in samples]
    if any(math.isnan(s) for _, s in graph.nodes.data("self_importance")):
        disc |= {"color": "white", "markeredgecolor": style.QUIET}
        nodes.append(Line2D([], [], markersize=2 * _radius(math.nan), label="no value", **disc))
    legends: list[tuple[Height, str, Sequence[Artist]]] = [
        ("outside right upper", "group of the source", style.group_legend(graph.nodes, scheme)),
        ("outside right center", "arrow: importance of\nthe source for the target", edges),
        ("outside right lower", "node: importance of\na class for itself", nodes),
    ]
    for place, title, handles in legends:
        figure.legend(
            handles=handles,
            title=title,
            loc=place,
            fontsize=style.SMALL,
            title_fontsize=style.SMALL,
            alignment="left",
            labelspacing=1.6,
            frameon=False,
        )
