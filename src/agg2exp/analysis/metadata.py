"""Whether patients with abnormal RoI importances differ from the others in what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from scipy.stats import MonteCarloMethod, chi2_contingency, fisher_exact, mannwhitneyu, ttest_ind
from scipy.stats.contingency import expected_freq

from agg2exp.analysis.adjustment import benjamini_hochberg
from agg2exp.analysis.permuted_welch import RESAMPLES, permuted_welch
from agg2exp.domain.errors import DataError
from agg2exp.domain.patients import patient_of

FEWEST_EXPECTED = 5  # count below which chi-square is not trusted
MOST_LEVELS = 20  # a column with more different words is an identifier or free text
FEWEST_FOR_STUDENT = 15  # in each group, below which Welch's t is not trusted to follow Student's distribution


def metadata_tests(
    normality: pd.Series, metadata: pd.DataFrame, patients: Mapping[str, str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Compare inliers with outliers on every column of the metadata, a patient being an outlier if normality < 0.

    Numbers: Mann–Whitney and Welch's t-test, a row each; with fewer than 15 inliers or outliers Welch's t is compared
    with its permutations. Words, truth values and numbers with two different values at most: chi-square without
    continuity correction, or Fisher's exact test where an expected count is below 5 (beyond 2 × 2 from 9999 tables
    drawn with the same margins). An infinite number counts as missing.
    Words of which most are numbers are not compared, since ages with one stray word among them are no words.

    The scans of a patient are one row: normality and numbers are averaged over those that have one; a word must be
    the same in all of them, else it counts as missing.

    Args:
        normality: Of each case id (index); NaN where unknown, these cases are left out.
        metadata: One row per case, indexed by case id. Rows of other cases are ignored.
        patients: Patient of each case; without it each case is a patient.
        seed: Of the drawn tables and permutations.

    Returns:
        Columns column, test, inliers, outliers (patients with a value), missing_inliers, missing_outliers (patients
        without a value, or without a row of metadata), summary_inliers, summary_outliers (mean ± standard
        deviation, or counts), statistic, p, excluded (why there is no p, else empty), p_adjusted
        (Benjamini–Hochberg over the rows).

    Raises:
        DataError: A case id occurs twice, no case has metadata, a case has no patient, no case has a normality,
            or the metadata have no column.
    """
    normality = normality.dropna().astype(np.float64)
    for name, index in (("normality", normality.index), ("metadata", metadata.index)):
        if index.has_duplicates:
            twice = index[index.duplicated()].unique().tolist()[:5]
            raise DataError(f"{name}: expected every case id once, got {twice} more than once.")
    if not normality.index.isin(metadata.index).any():
        raise DataError(
            f"metadata: expected rows for cases such as {normality.index.tolist()[:3]}, got case ids such as "
            f"{metadata.index.tolist()[:3]}. Check which column holds the case id."
        )
    if metadata.columns.empty:
        raise DataError("metadata: expected a column beside those of case and patient, got none.")
    known = metadata.reindex(normality.index)
    patient = patient_of(normality.index.tolist(), patients)
    outlier = (normality.groupby(patient).mean() < 0).to_numpy()
    rows = [row for name in known for row in _rows(known[name], patient, outlier, seed)]
    table = pd.DataFrame(rows)
    return table.assign(p_adjusted=benjamini_hochberg(table["p"].to_numpy(dtype=np.float64)))


def _rows(column: pd.Series, patient: Sequence[str], outlier: NDArray[np.bool_], seed: int) -> list[dict[str, object]]:
    """One row per test of a column of cases; `outlier` is of the patients, sorted."""
    numeric = is_numeric_dtype(column) and not is_bool_dtype(column)
    if numeric:
        column = column.mask(np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan)))
    numbers = numeric and column.nunique() > 2
    nearly = "" if numeric else _nearly_numbers(column.dropna().astype(str))
    of_patient = column.groupby(patient)
    same = of_patient.nunique() == 1  # noqa: PD101  # of each patient
    column = of_patient.mean() if numbers else of_patient.first().where(same)
    missing = column.isna().to_numpy()
    values = column[~missing]
    groups = values[~outlier[~missing]], values[outlier[~missing]]
    row: dict[str, object] = {"column": str(column.name), "test": ""}
    for group, name, of_group in zip(groups, ("inliers", "outliers"), (~outlier, outlier), strict=True):
        row |= {name: len(group), f"missing_{name}": int((missing & of_group).sum())}
    for group, name in zip(groups, ("inliers", "outliers"), strict=True):
        row[f"summary_{name}"] = _moments(group) if numbers else _counts(group)
    least = 2 if numbers else 1
    n_values, excluded = len(values.unique()), ""
    if min(map(len, groups)) < least:
        excluded = f"{len(groups[0])} inliers and {len(groups[1])} outliers with a value, at least {least} each needed"
    elif n_values == 1:
        excluded = "the same value in all cases"
    elif nearly:
        excluded = nearly
    elif not numbers and n_values > MOST_LEVELS:
        excluded = f"{n_values} different words, at most {MOST_LEVELS} are compared"
    if excluded:
        return [row | {"statistic": np.nan, "p": np.nan, "excluded": excluded}]
    tests = (
        _numeric(*groups, seed) if numbers else [_categorical(pd.crosstab(values, outlier[~missing]).to_numpy(), seed)]
    )
    return [row | {"test": t, "statistic": float(s), "p": float(p), "excluded": ""} for t, s, p in tests]


def _nearly_numbers(words: pd.Series) -> str:
    """Why words are not compared of which most are numbers, decimal commas included; empty if they may be."""
    numbers = pd.to_numeric(words.str.replace(",", ".", regex=False), errors="coerce")
    others = words[pd.to_numeric(words, errors="coerce").isna()]
    if others.empty or numbers.count() <= len(words) / 2 or numbers.nunique() <= 2:
        return ""
    return (
        f"most values are numbers, but {len(others)} of {len(words)} cannot be read as such, for example "
        f"{others.iloc[0]!r}; write decimal points and leave blank what is not known"
    )


def _numeric(inliers: pd.Series, outliers: pd.Series, seed: int) -> list[tuple[str, float, float]]:
    """Name, statistic and p-value of both tests on numbers."""
    groups = [group.to_numpy(dtype=np.float64) for group in (outliers, inliers)]
    rank, welch = mannwhitneyu(*groups), ttest_ind(*groups, equal_var=False)
    name, p = "Welch's t", welch.pvalue
    if min(map(len, groups)) < FEWEST_FOR_STUDENT and np.isfinite(welch.statistic):
        name, p = permuted_welch(groups[0], groups[1], seed)
    return [("Mann–Whitney", rank.statistic, rank.pvalue), (name, welch.statistic, p)]


def _categorical(table: NDArray[np.int64], seed: int) -> tuple[str, float, float]:
    """Name, statistic and p-value of the test on a table of values × (inlier, outlier)."""
    if expected_freq(table).min() >= FEWEST_EXPECTED:
        return ("chi-square", *chi2_contingency(table, correction=False)[:2])
    if table.shape == (2, 2):
        return ("Fisher", *fisher_exact(table))
    drawn = MonteCarloMethod(n_resamples=RESAMPLES, rng=np.random.default_rng(seed))
    result = fisher_exact(table, method=drawn)
    statistic, p = (np.asarray(value).item() for value in (result.statistic, result.pvalue))  # at times of shape (1,)
    return "Fisher (drawn tables)", statistic, p


def _moments(values: pd.Series) -> str:
    """Mean ± standard deviation."""
    return f"{values.mean():.4g} ± {values.std():.4g}" if len(values) else ""


def _counts(values: pd.Series) -> str:
    """How often each value occurs, the most frequent first, MOST_LEVELS of them at most."""
    return ", ".join(f"{value}: {n}" for value, n in values.value_counts().head(MOST_LEVELS).items())
