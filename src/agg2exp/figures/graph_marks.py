"""Nodes, edges, names and legends of a picture of a graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke

from agg2exp.domain.labels import LabelScheme
from agg2exp.figures import style
from agg2exp.figures.layouts import Point

LANE = 0.035  # sideways shift that keeps a -> b and b -> a apart, in ring radii
LINE = 13  # letters of a name in a line above or below its node


def radius_of(self_importance: float) -> float:
    """Radius of a node in points: its area grows with self-importance."""
    return math.sqrt(12.0 + 225.0 * (0.0 if math.isnan(self_importance) else self_importance))


def width_of(weight: float) -> float:
    """Width of an edge in points: by the root, since background is tens of percent and the others a few."""
    return 9.0 * math.sqrt(weight)


def draw_edge(axes: Axes, start: Point, end: Point, weight: float, colour: str, gap: float, pull: float) -> None:
    """An arrow that ends `gap` points before `end` and bends towards the centre of the picture as `pull` says."""
    chord = end - start
    length = float(np.hypot(*chord))
    right = np.array([chord[1], -chord[0]]) / length
    bend = float(-pull * (start + end) / 2 @ right) + LANE  # of the middle, to the right of travel, as in arc3
    width = width_of(weight)
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


def draw_node(axes: Axes, at: Point, colour: str, self_importance: float) -> None:
    """A disc; hollow if self-importance has no value."""
    hollow = math.isnan(self_importance)
    axes.scatter(
        at[0],
        at[1],
        s=(2 * radius_of(self_importance)) ** 2,
        facecolor="white" if hollow else colour,
        edgecolor=colour if hollow else "white",
        linewidth=1.2,
        zorder=2,
    )


def write_beside(axes: Axes, at: Point, distance: float, name: str, *, radial: bool) -> None:
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


def write_off_edges(axes: Axes, at: Point, distance: float, name: str, *, below: bool) -> None:
    """The name `distance` points above or below, in short lines that stay legible on top of edges."""
    text = axes.annotate(
        "\n".join(wrap(name, LINE, break_long_words=False)),
        xy=(float(at[0]), float(at[1])),
        xytext=(0.0, -distance if below else distance),
        textcoords="offset points",
        ha="center",
        va="top" if below else "bottom",
        fontsize=style.SMALL,
        linespacing=0.95,
        color=style.INK,
        zorder=3,
    )
    text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def draw_legends(figure: Figure, graph: nx.DiGraph, scheme: LabelScheme) -> None:
    """Groups, edge widths and node areas, one under the other at the right."""
    samples = (0.01, 0.1, 0.5)
    line: dict[str, Any] = {"color": style.QUIET, "solid_capstyle": "butt"}
    disc: dict[str, Any] = {
        "linestyle": "none",
        "marker": "o",
        "color": style.QUIET,
        "markeredgecolor": "white",
    }
    edges = [Line2D([], [], linewidth=width_of(s), label=f"{s:.0%}", **line) for s in samples]
    nodes = [Line2D([], [], markersize=2 * radius_of(s), label=f"{s:.0%}", **disc) for s in samples]
    if any("self_importance" not in node for _, node in graph.nodes.data()):
        disc |= {"color": "white", "markeredgecolor": style.QUIET}
        nodes.append(Line2D([], [], markersize=2 * radius_of(math.nan), label="no value", **disc))
    legends: list[tuple[style.Height, str, Sequence[Artist]]] = [
        ("outside right upper", "group of the source", style.group_legend(graph.nodes, scheme)),
        ("outside right center", "arrow: importance of\nthe source for the target", edges),
        ("outside right lower", "node: importance of\na class for itself", nodes),
    ]
    for place, title, handles in legends:
        style.key(figure, handles, title, place, spacing=1.6)
