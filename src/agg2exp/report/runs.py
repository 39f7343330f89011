"""Finished runs, and what distinguishes them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from agg2exp.domain.errors import DataError
from agg2exp.domain.explanation import of_method
from agg2exp.domain.hints import pasted
from agg2exp.store.case_store import CASE_FILES, CaseStore, DamagedResultError
from agg2exp.store.stored_tables import AMOUNTS, NUMBERS, ROUNDING, TEXTS, TRUTHS, WORDS, read_stored_table
from agg2exp.store.tables import CURVES, EFFICIENCY, METRIC_SUMMARY, METRICS

log = logging.getLogger(__name__)

ASIDE = ("expansion", CASE_FILES)
"""Settings of a case that belong to its method or its files."""
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
    "faithfulness": (-1 - ROUNDING, 1 + ROUNDING),
    "randomisation": (-1 - ROUNDING, 1 + ROUNDING),
    "complexity": (-ROUNDING, math.inf),
    "sensitivity": (0, math.inf),
}
"""What values of some metrics can be at all: correlations, an entropy, a norm."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Its folder.
        data: Name of the data set.
        method: Name of the attribution method, with its supervoxels if it uses any.
        overrides: What was chosen on its command line, a word each.
    """

    folder: Path
    data: str
    method: str
    overrides: tuple[str, ...] = ()


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
                f"{run.folder} has metrics, but no tables/{METRIC_SUMMARY}.parquet: the run did not end, or was told "
                f"to write none (callbacks.metric_summary). Repeat its command with {pasted('resume', run.folder)}."
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


def caveats(runs: Sequence[Run], values: pd.DataFrame) -> list[str]:
    """Why the methods of a data set may not be comparable, and what is not defined, a sentence each.

    Args:
        runs: The runs.
        values: What `read_metrics` returns of them.
    """
    found = []
    for data, own in values.groupby("data", sort=False):
        settings = [_settings(run) for run in runs if run.data == data and run.method in set(own["method"])]
        names = dict.fromkeys(name for of_run in settings for name in of_run)
        differing = [name for name in names if len({of_run.get(name) for of_run in settings}) > 1]
        if differing:
            found.append(f"{data}: the runs differ in more than the method: {', '.join(differing)}.")
        everything = own[["case", "target"]].drop_duplicates()
        for method, rows in own.groupby("method", sort=False):
            n = len(rows[["case", "target"]].drop_duplicates())
            if n < len(everything):
                found.append(f"{data}: {method} has {n} of the {len(everything)} (case, class) of the others.")
            missing = rows.groupby("name", sort=False)["value"].apply(lambda v: int(v.isna().sum()))
            for count, same in missing[missing > 0].groupby(missing):
                names_of_count = ", ".join(same.index)
                found.append(f"{data}: {method} is not defined for {count} of {n} (case, class): {names_of_count}.")
    return found


def _settings(run: Run) -> dict[str, str]:
    """What a run depends on besides its method; the same for all its cases."""
    store = CaseStore(run.folder)
    for case in store.finished():
        try:
            settings = store.read(case).settings
        except DamagedResultError as error:
            log.warning("%s", error)
            continue
        return {name: value for name, value in settings.items() if not of_method(name) and name not in ASIDE}
    return {}


def read_curves(runs: Iterable[Run]) -> pd.DataFrame:
    """Points of the curves of all runs that have some: data, method, case, target, name, x, y; else empty."""
    with_curves = [run for run in runs if (run.folder / "tables" / f"{CURVES}.parquet").is_file()]
    parts = [_read(run, CURVES).assign(data=run.data, method=run.method) for run in with_curves]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def directions(facts: pd.DataFrame) -> Mapping[str, bool | None]:
    """Whether higher is better, by name; None where no value is better."""
    return {row.name: None if pd.isna(row.higher_is_better) else bool(row.higher_is_better)
            for row in facts.itertuples(index=False)}  # fmt: skip
