"""Edges of attribution that knows a mask's shape and nothing else, with and without twins."""

import numpy as np

from experiments.edge_test.anatomy import flagged, simulated


def test_twins_control_what_distance_does_not_where_they_see_as_far():
    values = simulated(8, (10, 14, 17, 20), mm=12.0)
    found = np.array([flagged(values, model, [k for k in range(4) if k != model]) for model in (0, 1, 2)])
    assert found[:, 0].mean() > 0.1  # beyond distance: about a third of 30 edges with 20 patients
    assert found[:, 1].max() <= 0.07
