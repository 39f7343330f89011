"""Where the model behaves abnormally: outlier patients, their Dice and their metadata (paper, Fig. 5, Table 2)."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from agg2exp.analysis.dice import dice_of
from agg2exp.analysis.metadata import metadata_tests
from agg2exp.analysis.outlier_correlation import dice_correlation
from agg2exp.analysis.outliers import MEAN
from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.report.highlight import chosen_target
from agg2exp.report.outlier_slices import outlier_slices
from agg2exp.report.outputs import Output
from agg2exp.report.study import Study

EXTREMES = 3  # cases shown at either end of the ranking


def outliers(study: Study) -> Iterator[Output]:
    """Normality of every case, see `outlier_table`."""
    yield "outliers", study.ranking


def correlation_with_dice(study: Study) -> Iterator[Output]:
    """Table 2."""
    settings = study.settings
    table = dice_correlation(
        study.importances,
        study.reference.importances(Kind.IMPORTANCE),
        dice_of(study.data.segmentation, study.data.join),
        range(settings.seed, settings.seed + settings.forests),
        settings.jobs,
        study.data.patients,
    )
    yield "outliers_and_dice", table


def has_metadata(study: Study) -> bool:
    """Whether metadata were given."""
    return study.data.metadata is not None


def metadata_of_outliers(study: Study) -> Iterator[Output]:
    """Inliers against outliers (of the mean over classes) in every column of the metadata.

    Raises:
        DataError: No case is known as inlier or outlier, or none has metadata; see also `metadata_tests`.
    """
    table = study.ranked()
    if study.data.metadata is None:
        raise DataError("no metadata were given")
    of_mean = table[table["target"] == MEAN].set_index("case")["normality"]
    tests = metadata_tests(of_mean, study.data.metadata, study.data.patients, study.settings.seed)
    yield "outliers_and_metadata", tests


def slices_of_outliers(study: Study) -> Iterator[Output]:
    """The most and the least abnormal cases, and slices of their scans."""
    table = study.ranked()
    target = chosen_target(study.importances, study.settings.highlight)
    shown = extremes(table, target)
    yield "outlier_slices", shown
    if study.read_scan is not None:
        yield "outlier_slices", outlier_slices(study.data, shown, target, study.read_scan)


def extremes(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """The rows of the cases with the lowest and the highest normality of a target, most abnormal first."""
    ranked = table[(table["target"] == target) & table["normality"].notna()].sort_values("rank")
    ends = pd.concat([ranked.head(EXTREMES), ranked.tail(EXTREMES)])
    return ends.drop_duplicates("case")
