"""Finished runs, and what distinguishes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from agg2exp.domain.explanation import of_method
from agg2exp.io.case_store import CASE_FILES, CaseStore
from agg2exp.io.tables import CURVES, EFFICIENCY, METRIC_SUMMARY, METRICS, read_tables

ASIDE = ("expansion", CASE_FILES)
"""Settings of a case that belong to its method or its files."""


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
                f"to write none (callbacks.metric_summary). Repeat its command with resume={run.folder}."
            )
        tables = read_tables(run.folder / "tables", [*present, METRIC_SUMMARY])
        facts.append(tables.pop(METRIC_SUMMARY)[["name", "metric", "category", "higher_is_better", "paper"]])
        values += [table.assign(data=run.data, method=run.method) for table in tables.values()]
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
    cases = store.finished()
    settings = store.read(cases[0]).settings if cases else {}
    return {name: value for name, value in settings.items() if not of_method(name) and name not in ASIDE}


def read_curves(runs: Iterable[Run]) -> pd.DataFrame:
    """Points of the curves of all runs that have some: data, method, case, target, name, x, y; else empty."""
    with_curves = [run for run in runs if (run.folder / "tables" / f"{CURVES}.parquet").is_file()]
    parts = [read_tables(run.folder / "tables", [CURVES])[CURVES].assign(data=run.data, method=run.method)
             for run in with_curves]  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def directions(facts: pd.DataFrame) -> Mapping[str, bool | None]:
    """Whether higher is better, by name; None where no value is better."""
    return {row.name: None if pd.isna(row.higher_is_better) else bool(row.higher_is_better)
            for row in facts.itertuples(index=False)}  # fmt: skip
