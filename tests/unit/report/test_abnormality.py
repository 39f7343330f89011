"""Outliers among patients, and which cases stand at the ends of the ranking."""

import numpy as np
import pandas as pd
import pytest

from agg2exp.analysis.outliers import MEAN
from agg2exp.domain.errors import DataError
from agg2exp.report.abnormality import correlation_with_dice, extremes, metadata_of_outliers, outliers
from agg2exp.report.settings import AnalysisSettings
from tests.unit.analysis.tables import CLASSES, segmentation
from tests.unit.report.data_sets import data_set, importances

QUICK = AnalysisSettings(forests=2)


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
    ranking = outliers(data, data, QUICK)
    ((_, of_metadata),) = metadata_of_outliers(data, ranking, QUICK)
    ((_, of_dice),) = correlation_with_dice(data, data, QUICK)
    assert ranking[ranking["target"] == MEAN]["rank"].max() == 48
    assert (of_metadata[["inliers", "outliers"]].sum(axis=1) == 12).all()
    assert (of_dice["count"] == 12).all()


def test_the_mean_normality_of_the_scans_decides():
    data = of_scans()
    ranking = outliers(data, data, QUICK)
    ((_, table),) = metadata_of_outliers(data, ranking, QUICK)
    normality = ranking[ranking["target"] == MEAN].set_index("case")["normality"]
    means = normality.groupby(normality.index.map(data.patients)).mean()
    assert table["outliers"].tolist() == [2, 2] and (means < 0).sum() == 2
    assert sorted(normality.index[normality < 0].map(data.patients)) == ["p00"] * 4 + ["p01"] * 4 + ["p02"]


def test_without_metadata_there_is_an_error():
    data = data_set(importances())
    with pytest.raises(DataError, match="no metadata were given"):
        list(metadata_of_outliers(data, outliers(data, data, QUICK), QUICK))


@pytest.mark.parametrize("target", ["heart", MEAN])
def test_extremes_are_the_three_lowest_and_the_three_highest(target):
    data = importances(n=20)
    data.values[3:6] = np.nan
    table = outliers(data_set(data), data_set(data), QUICK)
    shown = extremes(table.sample(frac=1, random_state=0), target)
    own = table[table["target"] == target].set_index("case")["normality"].dropna().sort_values()
    assert shown["case"].tolist() == [*own.index[:3], *own.index[-3:]]
    assert shown["rank"].tolist() == [1, 2, 3, 15, 16, 17]


@pytest.mark.parametrize("known", [0, 1, 3, 4, 6])
def test_extremes_of_few_cases_are_shown_once(known):
    data = importances(n=12)
    table = outliers(data_set(data), data_set(data), QUICK)
    table.loc[(table["target"] == "heart") & (table["rank"] > known), "normality"] = np.nan
    assert extremes(table, "heart")["rank"].tolist() == list(range(1, known + 1))
