from __future__ import annotations

import numpy as np
import pytest

from agg2exp.figures.name_places import name_places

CLEAR = 14.0


def one(heads=(), edges=(), others=()):
    """The place of a name of two lines beside a node of radius 8 at the origin."""
    nodes = {"a": np.zeros(2), **{f"o{i}": np.array(at, float) for i, at in enumerate(others)}}
    lines = {"a": ["lung upper", "lobe left"], **{name: ["x"] for name in nodes if name != "a"}}
    arrays = ([np.array(points, float) for points in parts] for parts in (heads, edges))
    return name_places(lines, nodes, dict.fromkeys(nodes, 8.0), *arrays, CLEAR)["a"]


def ray(degrees, start=10, end=200):
    """Points along an edge that arrives at the origin."""
    t = np.radians(degrees)
    return np.arange(start, end)[:, None] * [np.cos(t), np.sin(t)]


def head(degrees):
    return ray(degrees, 10, 18)


def test_a_name_alone_stands_above():
    assert one().side == (0, 1) and one().distance == 9


@pytest.mark.parametrize("seed", range(20))
def test_no_head_of_three_is_covered_and_the_name_stays_near(seed):
    degrees = np.random.default_rng(seed).uniform(0, 360, 3)
    place = one(heads=[head(d) for d in degrees])
    for d in degrees:
        assert not ((head(d) >= place.box[0]) & (head(d) <= place.box[1])).all(axis=1).any()
    assert place.distance == 9


def test_between_heads_on_all_sides_a_name_moves_out():
    place = one(heads=[head(d) for d in range(0, 360, 5)])
    assert place.distance == 8 + CLEAR


def test_of_places_without_heads_the_one_over_fewest_edges_is_taken():
    lines = [ray(d) for d in (90, 91, -90, 0, 20, 45, 135, -45)]
    place = one(edges=lines)
    assert place.side in ((-1, 0), (-1, -1)) and place.distance == 9
    assert one(edges=[*lines, ray(180)]).side == (-1, -1)
    assert one(edges=[*lines, *[ray(180)] * 5], heads=[head(225)]).side != (-1, -1)  # a head counts more than edges


def test_names_and_nodes_give_way():
    assert one(others=[(0, 25)]).side == (0, -1)
    assert one(others=[(0, 25), (0, -25), (40, 0)]).side == (-1, 0)


@pytest.mark.parametrize("seed", range(10))
def test_the_box_touches_the_node_with_the_side_named(seed):
    place = one(heads=[head(d) for d in np.random.default_rng(seed).uniform(0, 360, 8)])
    middle, half = place.box.mean(axis=0), np.ptp(place.box, axis=0) / 2
    np.testing.assert_allclose(middle - half * place.side, place.offset)
    assert np.hypot(*place.offset) == pytest.approx(place.distance)
