"""Evaluation metrics and curves that finished runs stored, checked as they are read."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from agg2exp.domain.errors import DataError
from agg2exp.domain.hints import pasted
from agg2exp.report.runs import Run
from agg2exp.store.stored_tables import AMOUNTS, NUMBERS, SHARE_ROUNDING, TEXTS, TRUTHS, WORDS, read_stored_table
from agg2exp.store.tables import CURVES, EFFICIENCY, METRIC_SUMMARY, METRICS

log = logging.getLogger(__name__)

_OF_VALUE = {"case": WORDS, "target": WORDS, "name": WORDS}
TABLES = {
    METRICS: ({**_OF_VALUE, "value": NUMBERS}, ("case", "target", "name")),
    EFFICIENCY: ({**_OF_VALUE, "value": AMOUNTS}, ("case", "target", "name")),
    CURVES: ({**_OF_VALUE, "x": NUMBERS, "y": NUMBERS}, ()),
    METRIC_SUMMARY: (
        {"name": WORDS, "metric": WORDS, "category": WORDS, "higher_is_better": TRUTHS, "paper": TEXTS},
        ("name",),
    ),
}
"""What a report reads: columns of each table, and those that together name a row."""
RANGES = {
    "faithfulness": (-1 - SHARE_ROUNDING, 1 + SHARE_ROUNDING),
    "randomisation": (-1 - SHARE_ROUNDING, 1 + SHARE_ROUNDING),
    "complexity": (-SHARE_ROUNDING, math.inf),
    "sensitivity": (0, math.inf),
}
"""What values of some metrics can be at all: correlations, an entropy, a norm."""


class NoMetricsError(ValueError):
    """None of the runs has evaluation metrics."""


def undamaged(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """The runs whose tables are as a run writes them, and a sentence about each of the others.

    Raises:
        DataError: There are runs, and all are damaged.
    """
    good, said = [], []
    for run in runs:
        try:
            for name in TABLES:
                if _path(run, name).is_file():
                    _read(run, name)
            good.append(run)
        except DataError as error:
            said.append(f"{run.data}: {run.method} is left out, since its tables are damaged: {error}")
    if said and not good:
        raise DataError("; ".join(said))
    for sentence in said:
        log.warning("%s", sentence)
    return good, said


def _path(run: Run, name: str) -> Path:
    return run.folder / "tables" / f"{name}.parquet"


def _read(run: Run, name: str) -> pd.DataFrame:
    columns, once = TABLES[name]
    table = read_stored_table(_path(run, name), columns, once)
    for metric, (low, high) in RANGES.items() if name == METRICS else ():
        beyond = table[(table["name"] == metric) & ((table["value"] < low) | (table["value"] > high))]
        if len(beyond):
            row = beyond.iloc[0]
            raise DataError(
                f"{_path(run, name)}: expected {metric} from {low:g} to {high:g}, got {row['value']:g} for case "
                f"{row['case']!r}, target {row['target']!r}."
            )
    return table


def read_metrics(runs: Iterable[Run]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values of all runs, and what their metrics are.

    Returns:
        Values: data, method, case, target, name, value. Facts: name, metric, category, higher_is_better, paper.

    Raises:
        NoMetricsError: No run has metrics.
        ValueError: Two runs have the same data set and method, a metric differs between runs, or a run did not end.
    """
    values, facts, seen = [], [], dict[tuple[str, str], Path]()
    for run in runs:
        present = [name for name in (METRICS, EFFICIENCY) if (run.folder / "tables" / f"{name}.parquet").is_file()]
        if not present:
            continue
        other = seen.setdefault((run.data, run.method), run.folder)
        if other != run.folder:
            raise ValueError(
                f"{other} and {run.folder} both have {run.method} on {run.data}: expected one run of each. Name one "
                "of them, or data sets apart: 'runs={first: <folder>, second: <folder>}'."
            )
        if not (run.folder / "tables" / f"{METRIC_SUMMARY}.parquet").is_file():
            raise ValueError(
                f"{run.folder} has metrics, but no tables/{METRIC_SUMMARY}.parquet: the run did not end. "
                f"Make it by agg2exp collect {pasted('runs', run.folder)}."
            )
        facts.append(_read(run, METRIC_SUMMARY))
        values += [_read(run, name).assign(data=run.data, method=run.method) for name in present]
    if not values:
        raise NoMetricsError("expected runs with evaluation metrics (metric=paper, for example), got none.")
    merged = pd.concat(facts).astype({"higher_is_better": object}).drop_duplicates(ignore_index=True)
    differing = merged[merged["name"].duplicated()]["name"]
    if len(differing):
        raise ValueError(f"the runs mean different things by {sorted(differing)}. Report them apart.")
    columns = ["data", "method", "case", "target", "name", "value"]
    return pd.concat(values, ignore_index=True)[columns], merged


def read_curves(runs: Iterable[Run]) -> pd.DataFrame:
    """Points of the curves of all runs that have some: data, method, case, target, name, x, y; else empty."""
    with_curves = [run for run in runs if (run.folder / "tables" / f"{CURVES}.parquet").is_file()]
    parts = [_read(run, CURVES).assign(data=run.data, method=run.method) for run in with_curves]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
