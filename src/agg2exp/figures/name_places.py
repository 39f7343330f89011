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
ROUNDS = 3  # in which each name gives way to the others
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
    """The side that covers least: of arrowheads first, then of other names and nodes, then of edges.

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
    placed: dict[str, Beside] = {}
    for _ in range(ROUNDS):
        for name, lines in names.items():
            others = [beside.box for other, beside in placed.items() if other != name]
            others += [disc for other, disc in discs.items() if other != name]
            places = [
                _beside(nodes[name], side, radii[name] + distance, lines) for distance in (1.0, clear) for side in SIDES
            ]
            placed[name] = min(
                places,
                key=lambda place: (
                    _inside(place.box + HALO, of_heads),
                    sum(_overlap(place.box, other) for other in others),
                    place.distance,
                    _inside(place.box, of_edges),
                ),
            )
    return placed


def _beside(at: Point, side: Side, distance: float, lines: Sequence[str]) -> Beside:
    """The place at one side of a node, `distance` from its middle."""
    toward = np.array(side, dtype=np.float64)
    offset = distance * toward / np.hypot(*toward)
    size = style.SMALL * np.array([0.62 * max(map(len, lines)), 1.25 * len(lines)])  # a little more than it needs
    low = at + offset + size * (toward - 1) / 2
    return Beside(side, offset, distance, np.stack([low, low + size]))


def _inside(box: Box, points: NDArray[np.float64]) -> int:
    """How many of the points (M, 2) a box covers."""
    return int(((points >= box[0]) & (points <= box[1])).all(axis=1).sum())


def _overlap(one: Box, other: Box) -> bool:
    return bool((one[0] < other[1]).all() and (other[0] < one[1]).all())
