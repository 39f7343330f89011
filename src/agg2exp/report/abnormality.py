"""Where the model behaves abnormally: outlier patients, their Dice and their metadata (paper, Fig. 5, Table 2)."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from agg2exp.analysis.metadata import metadata_tests
from agg2exp.analysis.outlier_correlation import dice_correlation
from agg2exp.analysis.outliers import MEAN, outlier_table
from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.report.data_set import DataSet
from agg2exp.report.outputs import Artefact
from agg2exp.report.segmentation import dice_of
from agg2exp.report.settings import AnalysisSettings

EXTREMES = 3  # cases shown at either end of the ranking


def outliers(data: DataSet, reference: DataSet, settings: AnalysisSettings) -> pd.DataFrame:
    """Normality of every case, see `outlier_table`."""
    return outlier_table(data.importances(Kind.IMPORTANCE), reference.importances(Kind.IMPORTANCE), settings.seed)


def correlation_with_dice(data: DataSet, reference: DataSet, settings: AnalysisSettings) -> Iterator[Artefact]:
    """Table 2."""
    table = dice_correlation(
        data.importances(Kind.IMPORTANCE),
        reference.importances(Kind.IMPORTANCE),
        dice_of(data.segmentation, data.join),
        range(settings.seed, settings.seed + settings.forests),
        settings.jobs,
        data.patients,
    )
    yield "outliers_and_dice", table


def metadata_of_outliers(data: DataSet, table: pd.DataFrame, settings: AnalysisSettings) -> Iterator[Artefact]:
    """Inliers against outliers (of the mean over classes) in every column of the metadata.

    Raises:
        DataError: No case is known as inlier or outlier, or none has metadata; see also `metadata_tests`.
    """
    if data.metadata is None:
        raise DataError("no metadata were given")
    of_mean = table[table["target"] == MEAN].set_index("case")["normality"]
    yield "outliers_and_metadata", metadata_tests(of_mean, data.metadata, data.patients, settings.seed)


def extremes(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """The rows of the cases with the lowest and the highest normality of a target, most abnormal first."""
    ranked = table[(table["target"] == target) & table["normality"].notna()].sort_values("rank")
    ends = pd.concat([ranked.head(EXTREMES), ranked.tail(EXTREMES)])
    return ends.drop_duplicates("case")
