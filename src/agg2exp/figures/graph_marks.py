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
from numpy.typing import NDArray

from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.layouts import Point
from agg2exp.figures.name_places import Beside

LANE_SHIFT = 0.035  # sideways shift that keeps a -> b and b -> a apart, in ring radii
LINE_LETTERS = 13  # letters of a name in a line beside its node


def radius_of(self_importance: float) -> float:
    """Radius of a node in points: its area grows with self-importance."""
    return math.sqrt(12.0 + 225.0 * (0.0 if math.isnan(self_importance) else self_importance))


def width_of(weight: float) -> float:
    """Width of an edge in points: by the root, since background is tens of percent and the others a few."""
    return 9.0 * math.sqrt(weight)


def head_of(weight: float) -> tuple[float, float]:
    """Width and length of an arrowhead in points."""
    return width_of(weight) + 5, 0.5 * width_of(weight) + 6


def bend_of(start: Point, end: Point, pull: float) -> float:
    """How far to the right of travel the control point of matplotlib's `arc3` is: its lane, and to the centre."""
    chord = end - start
    right = np.array([chord[1], -chord[0]]) / np.hypot(*chord)
    return float(-pull * (start + end) / 2 @ right) + LANE_SHIFT


def draw_edge(axes: Axes, start: Point, end: Point, weight: float, colour: str, gap: float, pull: float) -> None:
    """An arrow that ends `gap` points before `end` and bends towards the centre of the picture as `pull` says."""
    (head_width, head_length), length = head_of(weight), float(np.hypot(*(end - start)))
    arrow = FancyArrowPatch(
        (float(start[0]), float(start[1])),
        (float(end[0]), float(end[1])),
        connectionstyle=f"arc3,rad={bend_of(start, end, pull) / length}",
        arrowstyle=f"simple,tail_width={width_of(weight)},head_width={head_width},head_length={head_length}",
        mutation_scale=1,
        linewidth=0,
        color=colour,
        alpha=max(0.25, 0.85 - 0.75 * weight),  # wide edges let the thin ones be seen
        shrinkA=0,
        shrinkB=gap,
        zorder=1,
    )
    axes.add_patch(arrow)


def trace(
    start: Point, end: Point, weight: float, gap: float, scale: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where an edge without pull is drawn, in points of which `scale` are a unit of the layout.

    Returns:
        Corners of its arrowhead, and the middles between them (6, 2); points along the edge, a point apart (M, 2).
    """
    chord = end - start
    control = (start + end) / 2 + bend_of(start, end, 0.0) * np.array([chord[1], -chord[0]]) / np.hypot(*chord)
    t = np.linspace(1, 0, max(2, round(float(scale * np.hypot(*chord)))))[:, None]
    curve = scale * ((1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end)
    away = np.hypot(*(curve - curve[0]).T)
    width, length = head_of(weight)
    tip, base = (curve[np.searchsorted(away, distance).clip(max=len(away) - 1)] for distance in (gap, gap + length))
    across = np.array([tip[1] - base[1], base[0] - tip[0]]) / max(float(np.hypot(*(tip - base))), 1e-9)
    corners = np.stack([tip, base + across * width / 2, base - across * width / 2])
    return np.concatenate([corners, (corners + np.roll(corners, 1, axis=0)) / 2]), curve


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


def lines_of(name: str) -> list[str]:
    """A name in short lines."""
    return wrap(name, LINE_LETTERS, break_long_words=False)


def write_off_edges(axes: Axes, at: Point, beside: Beside, lines: Sequence[str]) -> None:
    """The name at its side of the node, legible on top of edges."""
    (x, y), horizontal, vertical = beside.side, ("right", "center", "left"), ("top", "center", "bottom")
    text = axes.annotate(
        "\n".join(lines),
        xy=(float(at[0]), float(at[1])),
        xytext=(float(beside.offset[0]), float(beside.offset[1])),
        textcoords="offset points",
        ha=horizontal[x + 1],
        va=vertical[y + 1],
        fontsize=style.SMALL,
        linespacing=1.05,
        color=style.INK,
        zorder=3,
    )
    text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def draw_legends(figure: Figure, graph: nx.DiGraph, anatomy: Anatomy) -> None:
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
        ("outside right upper", "group of the source", style.group_legend(graph.nodes, anatomy)),
        ("outside right center", "arrow: importance of\nthe source for the target", edges),
        ("outside right lower", "node: importance of\na class for itself", nodes),
    ]
    for place, title, handles in legends:
        style.key(figure, handles, title, place, spacing=1.6)
