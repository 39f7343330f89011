"""Finished runs, and what distinguishes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from agg2exp.io.tables import CURVES, EFFICIENCY, METRIC_SUMMARY, METRICS, read_tables


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: Its folder.
        data: Name of the data set.
        method: Name of the attribution method, with its supervoxels if it uses any.
    """

    folder: Path
    data: str
    method: str


class NoMetricsError(ValueError):
    """None of the runs has evaluation metrics."""


def read_metrics(runs: Iterable[Run]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values of all runs, and what their metrics are.

    Returns:
        Values: data, method, case, target, name, value. Facts: name, metric, category, higher_is_better, paper.

    Raises:
        NoMetricsError: No run has metrics.
        ValueError: Two runs have the same data set and method, or a metric differs between runs.
    """
    values, facts, seen = [], [], dict[tuple[str, str], Path]()
    for run in runs:
        present = [name for name in (METRICS, EFFICIENCY) if (run.folder / "tables" / f"{name}.parquet").is_file()]
        if not present:
            continue
        other = seen.setdefault((run.data, run.method), run.folder)
        if other != run.folder:
            raise ValueError(
                f"{other} and {run.folder} both have {run.method} on {run.data}: expected one run of each. "
                "Name the runs to compare, one for each method and data set."
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
