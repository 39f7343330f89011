"""The data sets that `agg2exp analyze` is pointed at."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, ListConfig

from agg2exp.cli.application import JobError
from agg2exp.cli.channel_tables import read_channels
from agg2exp.cli.run_settings import configuration
from agg2exp.cli.runs import find_runs, paths
from agg2exp.cli.stored_run import StoredRun, read_stored_run
from agg2exp.cli.twin_tables import read_twins
from agg2exp.domain.errors import DataError
from agg2exp.domain.labels import Labels
from agg2exp.report.data_set import DataSet, ScanIdentity
from agg2exp.report.left_out import EVERYTHING, LeftOut
from agg2exp.store.published_table import read_published_table
from agg2exp.store.tables import ROI_IMPORTANCE, SEGMENTATION

log = logging.getLogger(__name__)

TABLES = (ROI_IMPORTANCE, SEGMENTATION)
PUBLISHED = ScanIdentity(files="published tables")
"""The scans of published tables: cases of one id are one scan in all of them."""


def read_data_sets(
    runs: str | ListConfig | DictConfig, labels: Labels, left_out: list[LeftOut] | None = None
) -> list[DataSet]:
    """The data sets of the setting `runs` (see conf/analyze.yaml).

    Args:
        runs: A run, sweep or CSV, or a list of them: a data set each. Or for each data set its name, and one or several
            runs that together make it.
        labels: Classes of published tables.
        left_out: Where damaged runs are noted, if others remain.

    Raises:
        JobError: Something is missing, two data sets have one name, or the runs of one do not fit together.
    """
    if isinstance(runs, DictConfig):
        named = [(str(name), paths(of_one)) for name, of_one in runs.items()]
    else:
        named = [one for path in paths(runs) for one in _named(path)]
    complete, damaged = [], list[LeftOut]()
    for name, places in named:
        try:
            complete.append(_data_set(name, places, labels, damaged))
        except DataError as error:
            damaged.append(LeftOut(name, EVERYTHING, str(error)))
    if not complete:
        reasons = "; ".join(f"{item.data_set}: {item.reason}" for item in damaged)
        raise JobError(f"agg2exp: runs: {reasons}")
    for item in damaged:
        log.warning("%s: %s is left out: %s", item.data_set, item.part, item.reason)
    if left_out is not None:
        left_out += damaged
    names = [data.name for data in complete]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise JobError(
            f"agg2exp: runs: several are named {twice}; name them: 'runs={{first: <folder>, second: <folder>}}'."
        )
    return complete


def _named(path: Path) -> list[tuple[str, list[Path]]]:
    """Name and place of each data set at a path."""
    if path.suffix == ".csv":
        return [(path.stem, [path])]
    found = find_runs([path])
    if not found:
        raise JobError(f"agg2exp: runs: expected finished runs in {path}, got none. A run has tables/*.parquet.")
    return [(f"{run.data}/{run.method}", [run.folder]) for run in found]


def _data_set(name: str, places: Sequence[Path], labels: Labels, damaged: list[LeftOut]) -> DataSet:
    """One data set from one published table, or from one or several runs.

    Raises:
        DataError: What is there is damaged.
        JobError: Nothing is there, or it does not fit together.
    """
    try:
        if any(path.suffix == ".csv" for path in places):
            if len(places) > 1:
                raise JobError(
                    f"agg2exp: runs: {name}: expected one published CSV or runs, got {[str(path) for path in places]}."
                )
            return _published(name, places[0], labels)
        folders = [run.folder for run in find_runs(places)]
        if not folders:
            raise JobError(
                f"agg2exp: runs: {name}: expected finished runs in {[str(path) for path in places]}, got none."
            )
        return _from_runs(name, folders, damaged)
    except OSError as error:
        raise JobError(f"agg2exp: runs: {name}: {error}") from error


def _published(name: str, path: Path, labels: Labels) -> DataSet:
    tables = read_published_table(path)
    unknown = sorted({*tables[SEGMENTATION]["class"]} ^ {*labels.classes})
    if unknown:
        raise DataError(f"expected the classes of labels in {path}, got a difference in {unknown}.")
    scans = dict.fromkeys(tables[SEGMENTATION]["case"].astype(str), PUBLISHED)
    return DataSet(name, tables[ROI_IMPORTANCE], tables[SEGMENTATION], labels, scans)


def _from_runs(name: str, folders: Sequence[Path], damaged: list[LeftOut]) -> DataSet:
    """Runs with the same settings and different cases as one data set; damaged ones are left out.

    Raises:
        DataError: All are damaged.
        JobError: They were complete differently.
    """
    runs, problems = list[StoredRun](), []
    for folder in folders:
        try:
            runs.append(read_stored_run(folder))
        except DataError as error:
            problems.append(LeftOut(name, f"run {folder}", str(error)))
    if not runs:
        raise DataError("; ".join(problem.reason for problem in problems))
    damaged += problems
    first = runs[0]
    for run in runs[1:]:
        differing = [name for name in first.files if run.files[name] != first.files[name]]
        if first.provenance is not None and run.provenance is not None:
            differing += first.provenance.differing_parts(run.provenance)
        if differing:
            raise JobError(
                f"agg2exp: runs: {name}: {first.folder} and {run.folder} differ in {differing} and are not one data "
                "set; name them apart."
            )
    local, segmentation = (pd.concat([run.tables[part] for run in runs], ignore_index=True) for part in TABLES)
    return DataSet(
        name,
        local,
        segmentation,
        first.labels,
        {case: scan for run in runs for case, scan in run.scans.items()},
        runs=tuple(run.folder for run in runs),
        provenance=first.provenance,
        channel_shares=read_channels([run.folder for run in runs]),
        twins=read_twins([run.folder for run in runs], [configuration(run.folder) for run in runs]),
    )
