"""What is written above the slices of a case."""

import numpy as np
import pytest

from agg2exp.analysis.outliers import outlier_table
from agg2exp.domain.case import Grid
from agg2exp.domain.errors import DataError
from agg2exp.figures.shown_scan import ShownScan
from agg2exp.report.abnormality import extremes
from agg2exp.report.outlier_slices import Scan, outlier_slices
from tests.unit.analysis.tables import CLASSES, segmentation
from tests.unit.report.data_sets import data_set, importances

SHAPE = (12, 10, 8)


def read_scan(data, case, target):
    mask = np.random.default_rng(0).random(SHAPE) < 1 / len(CLASSES)
    shown = ShownScan.of(np.zeros((1, *SHAPE)), Grid(SHAPE, np.diag([2.0, 2, 2, 1])))
    return Scan(shown, mask, mask, None)


def titles(figure):
    return [text.get_text() for axes in figure.axes for text in [axes.title, *axes.texts] if text.get_text()]


def test_ranks_are_among_the_cases_that_have_the_class():
    data = importances(n=20)
    data.values[[2, 5, 6], 2] = np.nan
    whole = data_set(data, segmentation(np.full((20, 5), 0.7), data.cases))
    shown = extremes(outlier_table(data, data), "heart")
    said = " ".join(titles(outlier_slices(whole, shown, "heart", read_scan)))
    assert all(f"{rank} of 17" in said for rank in (1, 2, 3, 15, 16, 17)) and "of 20" not in said
    assert "0.70" in said


def test_joined_classes_are_ranked_and_drawn_as_one():
    data = importances(n=20)
    data.values[4, 3:] = np.nan  # has neither lobe
    data.values[5, 3] = np.nan  # has one of them
    whole = data_set(data, segmentation(np.full((20, 5), np.nan), data.cases), join={"lung": CLASSES[3:]})
    joined = whole.importances(data.kind)
    shown = extremes(outlier_table(joined, joined), "lung")
    assert "1 of 19" in " ".join(titles(outlier_slices(whole, shown, "lung", read_scan)))


def test_without_any_case_there_is_an_error():
    data = importances()
    nobody = extremes(outlier_table(data, data), "heart").head(0)
    with pytest.raises(DataError, match="no case has a normality of heart"):
        outlier_slices(data_set(data), nobody, "heart", read_scan)
