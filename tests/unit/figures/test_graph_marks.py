from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from agg2exp.figures.graph_marks import draw_edge, head_of, trace

DPI = 100


@pytest.mark.parametrize("seed", range(10))
def test_a_trace_is_where_the_edge_is_drawn(seed):
    rng = np.random.default_rng(seed)
    start, end = rng.uniform(-1, 1, (2, 2))
    weight, gap = rng.uniform(0.01, 0.6), rng.uniform(4, 15)
    figure = Figure(figsize=(8, 8), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(-1, 1), ylim=(-1, 1))
    draw_edge(axes, start, end, weight, "k", gap, 0.0)
    FigureCanvasAgg(figure).draw()
    (arrow,) = axes.patches
    drawn = arrow.get_transform().transform_path(arrow.get_path()).vertices * 72 / DPI
    head, edge = (points + 72 * 4 for points in trace(start, end, weight, gap, scale=72 * 4))  # of the lower left
    for corner in head[:3]:
        assert np.hypot(*(drawn - corner).T).min() < 1.5
    tip = head[0]
    assert np.hypot(*(tip - 72 * 4 * (end + 1))) == pytest.approx(gap, abs=1)
    assert np.hypot(*(head[1] - head[2])) == pytest.approx(head_of(weight)[0])
    np.testing.assert_allclose(edge[[0, -1]], 72 * 4 * (np.stack([end, start]) + 1))
    assert np.hypot(*np.diff(edge, axis=0).T).max() < 1.1
