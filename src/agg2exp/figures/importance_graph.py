"""Graph of the strongest global RoI importances."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agg2exp.domain.errors import check_choice
from agg2exp.domain.roi_importance import GlobalImportance
from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.graph import Edge, graph_of
from agg2exp.figures.graph_marks import (
    draw_edge,
    draw_legends,
    draw_node,
    head_of,
    lines_of,
    radius_of,
    trace,
    write_beside,
    write_off_edges,
)
from agg2exp.figures.layouts import LAYOUTS, Layout, Point, body, ring
from agg2exp.figures.name_places import name_places

RING_PULL = 0.55  # how far an edge of the ring bends from the chord towards the centre
CROWDED = 24  # with more names than this, level ones would collide at the top and bottom of the ring
AROUND_NODES = 0.12  # between the outermost nodes and the edge of the axes
BEFORE_NODE = 2  # points between an arrowhead and its node
UNIT_INCHES = 3.4  # a unit of the anatomical layout


def importance_graph(
    importance: GlobalImportance,
    anatomy: Anatomy,
    top: int = 3,
    *,
    layout: Layout = "circular",
    shown: Collection[Edge] | None = None,
) -> Figure:
    """Picture of `graph_of`: width of an edge and area of a node by importance, colour by anatomical group.

    Args:
        importance: Of a kind that is a share.
        anatomy: Groups and colours.
        top: Sources of each target.
        layout: "circular": on a ring, by group, names outside and edges inside; "anatomical": as in a body seen from
            the front, spread out so that names have room.
        shown: The edges (source, target) that distance alone does not explain, if only these are to be shown.

    Raises:
        SettingError: As in `graph_of`, or the layout is unknown.
    """
    title = "Strongest sources of each class" + (", beyond distance" if shown is not None else "")
    figure = style.new_figure(*_size(importance.sources, anatomy, layout), title)
    axes = figure.add_subplot()
    graph = draw_graph(axes, importance, anatomy, top, layout=layout, shown=shown)
    share, sources = style.share_label(importance), "source" if top == 1 else f"{top} sources"
    arrows = f"the {sources} with the largest {share} of each target"
    if shown is not None:
        arrows = f"up to {sources} of each target that distance does not explain, by {share}"
    axes.set_title(
        f"arrows: {arrows}; mean over {style.case_counts(importance)}",
        fontsize=style.SMALL,
        color=style.QUIET,
    )
    draw_legends(figure, graph, anatomy)
    return figure


def draw_graph(
    axes: Axes,
    importance: GlobalImportance,
    anatomy: Anatomy,
    top: int = 3,
    *,
    layout: Layout = "circular",
    shown: Collection[Edge] | None = None,
) -> nx.DiGraph:
    """Draw nodes, edges and names, see `importance_graph`; the names stand out of the axes.

    Returns:
        The graph that is drawn.

    Raises:
        SettingError: As in `importance_graph`.
    """
    check_choice("layout", layout, LAYOUTS)
    graph = graph_of(importance, anatomy, top, shown=shown)
    circular = layout == "circular"
    place = (ring if circular else body)(list(graph), anatomy)
    points = np.array(list(place.values()))
    (left, bottom), (right, above) = points.min(axis=0) - AROUND_NODES, points.max(axis=0) + AROUND_NODES
    axes.set(xlim=(left, right), ylim=(bottom, above), aspect="equal")
    axes.set_axis_off()
    gaps = {name: radius_of(_self_importance(graph, name)) + BEFORE_NODE for name in graph}
    for b, a, weight in sorted(graph.edges.data("weight"), key=lambda edge: -edge[2]):
        draw_edge(axes, place[b], place[a], weight, graph.nodes[b]["colour"], gaps[a], RING_PULL if circular else 0.0)
    for name, node in graph.nodes.items():
        draw_node(axes, place[name], node["colour"], _self_importance(graph, name))
    if circular:
        for name, at in place.items():
            write_beside(axes, at, gaps[name] + 6, style.readable(name), radial=len(place) > CROWDED)
    else:
        _write_names(axes, graph, place, gaps)
    return graph


def _self_importance(graph: nx.DiGraph, name: str) -> float:
    return float(graph.nodes[name].get("self_importance", math.nan))


def _size(names: Sequence[str], anatomy: Anatomy, layout: Layout) -> tuple[float, float]:
    """Width and height of the figure in inches."""
    if layout == "anatomical":
        width, height = np.ptp(list(body(names, anatomy).values()), axis=0)
        return UNIT_INCHES * (width + 2 * AROUND_NODES) + 3.0, UNIT_INCHES * (height + 2 * AROUND_NODES) + 1.2
    radius = max(2.0, 1.2 + 0.09 * len(names))  # inches, so that neighbours keep their distance
    beside = radius + 0.5 + style.name_length(names)
    above = beside if len(names) > CROWDED else radius + 0.5
    return 2 * beside + 2.2, 2 * above + 0.9


def _write_names(axes: Axes, graph: nx.DiGraph, place: Mapping[str, Point], gaps: Mapping[str, float]) -> None:
    """The names of the anatomical layout, which stand among the edges."""
    scale = 72 * UNIT_INCHES  # points of a unit
    traces = [trace(place[b], place[a], weight, gaps[a], scale) for b, a, weight in graph.edges.data("weight")]
    lines = {name: lines_of(style.readable(name)) for name in graph}
    nodes = {name: scale * at for name, at in place.items()}
    radii = {name: gap - BEFORE_NODE for name, gap in gaps.items()}
    clear = BEFORE_NODE + 1 + max((head_of(weight)[1] for _, _, weight in graph.edges.data("weight")), default=0.0)
    heads, edges = [head for head, _ in traces], [edge for _, edge in traces]
    for name, beside in name_places(lines, nodes, radii, heads, edges, clear).items():
        write_off_edges(axes, place[name], beside, lines[name])
