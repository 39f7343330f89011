"""Outliers among patients, and which cases stand at the ends of the ranking."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from agg2exp.analysis.outliers import MEAN
from agg2exp.domain.errors import DataError
from agg2exp.report.abnormality import (
    correlation_with_dice,
    extremes,
    metadata_of_outliers,
    outliers,
    slices_of_outliers,
)
from agg2exp.report.settings import Highlight
from tests.unit.analysis.tables import CLASSES, segmentation
from tests.unit.report.data_sets import data_set, importances, study
from tests.unit.report.test_outlier_slices import read_scan


def of_scans(n=48, each=4):
    """A data set with Dice and metadata whose patients have several scans, the first nine of which are strange."""
    data = importances(n=n)
    data.values[9:] = 0.9 * data.values.mean(axis=0) + 0.1 * data.values[9:]
    dice = segmentation(np.random.default_rng(1).random((n, len(CLASSES))), data.cases)
    metadata = pd.DataFrame({"age": 40.0 + np.arange(n)}, index=list(data.cases))
    return data_set(
        data, dice, metadata=metadata, patients={case: f"p{i // each:02d}" for i, case in enumerate(data.cases)}
    )


def test_tests_count_patients_and_the_ranking_counts_scans():
    data = of_scans()
    of_these = study(data)
    ((_, ranking),) = outliers(of_these)
    ((_, of_metadata),) = metadata_of_outliers(of_these)
    ((_, of_dice),) = correlation_with_dice(of_these)
    assert ranking[ranking["target"] == MEAN]["rank"].max() == 48
    assert (of_metadata[["inliers", "outliers"]].sum(axis=1) == 12).all()
    assert (of_dice["count"] == 12).all()


def test_the_mean_normality_of_the_scans_decides():
    data = of_scans()
    ((_, ranking),) = outliers(study(data))
    ((_, table),) = metadata_of_outliers(study(data))
    normality = ranking[ranking["target"] == MEAN].set_index("case")["normality"]
    means = normality.groupby(normality.index.map(data.patients)).mean()
    assert table["outliers"].tolist() == [2, 2] and (means < 0).sum() == 2
    assert sorted(normality.index[normality < 0].map(data.patients)) == ["p00"] * 4 + ["p01"] * 4 + ["p02"]


def test_without_metadata_there_is_an_error():
    data = data_set(importances())
    with pytest.raises(DataError, match="no metadata were given"):
        list(metadata_of_outliers(study(data)))


@pytest.mark.parametrize("target", ["heart", MEAN])
def test_extremes_are_the_three_lowest_and_the_three_highest(target):
    data = importances(n=20)
    data.values[3:6] = np.nan
    table = study(data_set(data)).ranking
    shown = extremes(table.sample(frac=1, random_state=0), target)
    own = table[table["target"] == target].set_index("case")["normality"].dropna().sort_values()
    assert shown["case"].tolist() == [*own.index[:3], *own.index[-3:]]
    assert shown["rank"].tolist() == [1, 2, 3, 15, 16, 17]


@pytest.mark.parametrize("known", [0, 1, 3, 4, 6])
def test_extremes_of_few_cases_are_shown_once(known):
    data = importances(n=12)
    table = study(data_set(data)).ranking
    table.loc[(table["target"] == "heart") & (table["rank"] > known), "normality"] = np.nan
    assert extremes(table, "heart")["rank"].tolist() == list(range(1, known + 1))


def test_without_enough_cases_for_a_ranking_only_its_own_section_says_why():
    few = study(data_set(importances(n=4), metadata=pd.DataFrame({"age": range(4)})))
    with pytest.raises(DataError, match="reference: expected at least 10 cases"):
        list(outliers(few))
    for section in (metadata_of_outliers, slices_of_outliers):
        with pytest.raises(DataError, match=r"^the cases could not be ranked$"):
            list(section(few))


def test_slices_come_with_the_rows_that_they_show():
    of_these = study(data_set(importances(n=20)), Highlight(target="heart"), read_scan)
    (_, shown), (name, figure) = slices_of_outliers(of_these)
    assert shown["rank"].tolist() == [1, 2, 3, 18, 19, 20] and name == "outlier_slices" and isinstance(figure, Figure)
    without = study(data_set(importances(n=20)), Highlight(target="heart"))
    assert [name for name, _ in slices_of_outliers(without)] == ["outlier_slices"]
