"""Where the names of a graph stand beside their nodes, so that every arrowhead can be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agg2exp.figures import style
from agg2exp.figures.layouts import Point

Side = tuple[int, int]
SIDES: tuple[Side, ...] = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Left or right, and below or above; of places that are as good, the first is taken."""
HALO = np.array([[-2.0], [2.0]])  # points around a name in which it covers arrowheads
ROUNDS_OF_GIVING_WAY = 3  # of each name to the others
Box = NDArray[np.float64]  # (2, 2): lower left, upper right


class Beside(NamedTuple):
    """A place of a name: `side` of its node, `offset` from there to the edge or corner that faces it, and its box.

    All in points; the offset has the length `distance`.
    """

    side: Side
    offset: Point
    distance: float
    box: Box


def name_places(
    names: Mapping[str, Sequence[str]],
    nodes: Mapping[str, Point],
    radii: Mapping[str, float],
    heads: Sequence[NDArray[np.float64]],
    edges: Sequence[NDArray[np.float64]],
    clear: float,
) -> dict[str, Beside]:
    """The side of its node from which a name covers least: arrowheads first, then names and nodes, then edges.

    A name moves away from its node, beyond the arrowheads there, only for one of the first two. All lengths are in
    points.

    Args:
        names: Lines of each name.
        nodes: Where the nodes are.
        radii: Of the nodes.
        heads: Points of each arrowhead (M, 2).
        edges: Points along each edge, one as far from the next as on any other (M, 2).
        clear: Distance from a node beyond which its arrowheads end.
    """
    of_heads, of_edges = (np.concatenate([np.empty((0, 2)), *parts]) for parts in (heads, edges))
    discs = {name: np.stack([at - radii[name], at + radii[name]]) for name, at in nodes.items()}
    choices = {
        name: [_beside(nodes[name], side, radii[name] + distance, lines) for distance in (1.0, clear) for side in SIDES]
        for name, lines in names.items()
    }
    covered = {name: _covered(places, of_heads, of_edges) for name, places in choices.items()}
    placed: dict[str, Beside] = {}
    for _ in range(ROUNDS_OF_GIVING_WAY):
        for name, places in choices.items():
            others = [beside.box for other, beside in placed.items() if other != name]
            others += [disc for other, disc in discs.items() if other != name]
            costs = [
                (n_heads, sum(_overlap(place.box, other) for other in others), place.distance, n_edges)
                for place, (n_heads, n_edges) in zip(places, covered[name], strict=True)
            ]
            placed[name] = places[costs.index(min(costs))]
    return placed


def _beside(at: Point, side: Side, distance: float, lines: Sequence[str]) -> Beside:
    """The place at one side of a node, `distance` from its middle."""
    toward = np.array(side, dtype=np.float64)
    offset = distance * toward / np.hypot(*toward)
    size = style.SMALL * np.array([0.62 * max(map(len, lines)), 1.25 * len(lines)])  # a little more than it needs
    low = at + offset + size * (toward - 1) / 2
    return Beside(side, offset, distance, np.stack([low, low + size]))


def _covered(
    places: Sequence[Beside], of_heads: NDArray[np.float64], of_edges: NDArray[np.float64]
) -> list[tuple[int, int]]:
    """How many points of arrowheads and of edges each place covers."""
    boxes = np.stack([place.box for place in places])
    reach = np.stack([boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)]) + HALO
    heads, edges = (points[_inside(reach, points)] for points in (of_heads, of_edges))  # few, of a crowded graph
    return [(int(_inside(box + HALO, heads).sum()), int(_inside(box, edges).sum())) for box in boxes]


def _inside(box: Box, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points (M, 2) a box covers (M)."""
    return np.asarray(((points >= box[0]) & (points <= box[1])).all(axis=1))


def _overlap(one: Box, other: Box) -> bool:
    return bool((one[0] < other[1]).all() and (other[0] < one[1]).all())
