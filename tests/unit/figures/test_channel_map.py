"""The picture of channels: a row per class, a column per channel, shares with their intervals."""

import numpy as np

from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.channel_map import channel_map
from agg2exp.figures.matrix import EMPTY_ROW


def test_shares_stand_in_their_cells_with_their_intervals_if_there_are_any():
    mean = np.array([[0.25, 0.75], [0.9, 0.1], [np.nan, np.nan]])
    low, high = mean - 0.05, mean + 0.05
    low[1], high[1] = np.nan, np.nan  # too few patients
    shares = GlobalImportance(Kind.IMPORTANCE, ("whole", "core_1", "edema"), ("flair", "t1_gd"), mean,
                              np.full((3, 2), 8), mean, low, high)  # fmt: skip
    figure = channel_map(shares, Anatomy(classes=("background", "whole", "core_1", "edema")))
    axes = figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["25", "20 to 30", "75", "70 to 80", "90", "10"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["whole", "core 1", "edema"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["flair", "t1_gd"]
    hatched = [patch for patch in axes.patches if patch.get_hatch() == EMPTY_ROW]
    assert len(hatched) == 1 and hatched[0].get_y() == 2
    assert axes.get_ylim() == (3, 0) and "n = 8 cases" in axes.get_title()
