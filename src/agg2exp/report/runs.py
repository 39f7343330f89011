"""Finished runs, and what may make them incomparable."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from agg2exp.store.case_store import CaseStore, DamagedResultError

log = logging.getLogger(__name__)


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


def caveats(runs: Sequence[Run], values: pd.DataFrame) -> list[str]:
    """Why the methods of a data set may not be comparable, and what is not defined, a sentence each.

    Args:
        runs: The runs.
        values: What `read_metrics` returns of them.
    """
    found = []
    for data, of_data in values.groupby("data", sort=False):
        settings = [_settings(run) for run in runs if run.data == data and run.method in set(of_data["method"])]
        names = dict.fromkeys(name for of_run in settings for name in of_run)
        differing = [name for name in names if len({of_run.get(name) for of_run in settings}) > 1]
        if differing:
            found.append(f"{data}: the runs differ in more than the method: {', '.join(differing)}.")
        everything = of_data[["case", "target"]].drop_duplicates()
        for method, rows in of_data.groupby("method", sort=False):
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
            provenance = store.read(case).provenance
        except DamagedResultError as error:
            log.warning("%s", error)
            continue
        return dict(provenance.without("method").settings)
    return {}
