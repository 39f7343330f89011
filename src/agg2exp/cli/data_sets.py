"""The data sets that `agg2exp analyze` is pointed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, ListConfig

from agg2exp.cli.application import JobError
from agg2exp.cli.run_settings import FILES, SETTINGS, configuration, labels_of, settings_of
from agg2exp.cli.runs import find_runs, paths
from agg2exp.domain.errors import DataError
from agg2exp.domain.labels import LabelScheme
from agg2exp.domain.roi_importance import Kind
from agg2exp.io.published_table import read_published_table
from agg2exp.io.tables import ROI_IMPORTANCE, SEGMENTATION, read_tables
from agg2exp.report.data_set import DataSet

COLUMNS = {
    ROI_IMPORTANCE: ["case", "target", "source", *(kind.value for kind in Kind)],
    SEGMENTATION: ["case", "class", "dice"],
}
"""What is read of the tables of a run."""
PUBLISHED = "published tables"
"""Where the scans of published tables are: cases of one id are one scan in all of them."""


def read_data_sets(runs: str | ListConfig | DictConfig, labels: LabelScheme) -> list[DataSet]:
    """The data sets of the setting `runs` (see conf/analyze.yaml).

    Args:
        runs: A run, sweep or CSV, or a list of them: a data set each. Or for each data set its name, and one or several
            runs that together make it.
        labels: Classes of published tables.

    Raises:
        JobError: Something is missing, two data sets have one name, or the runs of one do not fit together.
    """
    if isinstance(runs, DictConfig):
        return [_data_set(str(name), paths(of_one), labels) for name, of_one in runs.items()]
    made = []
    for path in paths(runs):
        if path.suffix == ".csv":
            made.append(_data_set(path.stem, [path], labels))
        else:
            found = find_runs([path])
            if not found:
                raise JobError(
                    f"agg2exp: runs: expected finished runs in {path}, got none. A run has tables/*.parquet."
                )
            made += [_data_set(f"{run.data}/{run.method}", [run.folder], labels) for run in found]
    names = [data.name for data in made]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise JobError(
            f"agg2exp: runs: several are named {twice}; name them: 'runs={{first: <folder>, second: <folder>}}'."
        )
    return made


def with_metadata(data: DataSet, metadata: pd.DataFrame, patient_column: str | None) -> DataSet:
    """The data set with what is known of its cases, and of which patient they are.

    Raises:
        DataError: The column of patients is missing, or a case has no patient.
    """
    if patient_column is None:
        return replace(data, metadata=metadata)
    if patient_column not in metadata:
        raise DataError(f"metadata: expected the column {patient_column!r}, got {list(metadata.columns)}.")
    known = metadata[patient_column].dropna().astype(str)
    without = [case for case in data.cases if case not in known.index]
    if without:
        raise DataError(f"metadata: expected a patient for every case of {data.name}, got none for {without[:5]}.")
    return replace(
        data, metadata=metadata.drop(columns=patient_column), patients={case: known[case] for case in data.cases}
    )


def _data_set(name: str, places: Sequence[Path], labels: LabelScheme) -> DataSet:
    """One data set from one published table, or from one or several runs."""
    try:
        if any(path.suffix == ".csv" for path in places):
            if len(places) > 1:
                raise DataError(f"expected one published CSV or runs, got {[str(path) for path in places]}.")
            return _published(name, places[0], labels)
        folders = [run.folder for run in find_runs(places)]
        if not folders:
            raise DataError(f"expected finished runs in {[str(path) for path in places]}, got none.")
        return _from_runs(name, folders)
    except (DataError, OSError) as error:
        raise JobError(f"agg2exp: runs: {name}: {error}") from error


def _published(name: str, path: Path, labels: LabelScheme) -> DataSet:
    tables = read_published_table(path)
    unknown = sorted({*tables[SEGMENTATION]["class"]} ^ {*labels.classes})
    if unknown:
        raise DataError(f"expected the classes of labels={labels.name} in {path}, got a difference in {unknown}.")
    origins = dict.fromkeys(tables[SEGMENTATION]["case"].astype(str), PUBLISHED)
    return DataSet(name, tables[ROI_IMPORTANCE], tables[SEGMENTATION], labels, origins)


def _from_runs(name: str, folders: Sequence[Path]) -> DataSet:
    """Runs with the same settings and different cases as one data set."""
    configs = [configuration(folder) for folder in folders]
    settings = [settings_of(config, SETTINGS + FILES) for config in configs]
    for of_run, folder in zip(settings, folders, strict=True):
        differing = [key for key in of_run if of_run[key] != settings[0][key]]
        if differing:
            raise DataError(
                f"{folders[0]} and {folder} differ in {differing} and are not one data set; name them apart."
            )
    tables = [_tables(folder) for folder in folders]
    local, segmentation = (pd.concat([t[part] for t in tables], ignore_index=True) for part in COLUMNS)
    roots = [str(Path(config["data"]["root"]).resolve()) for config in configs]
    origins = {str(case): root for t, root in zip(tables, roots, strict=True) for case in t[SEGMENTATION]["case"]}
    return DataSet(
        name,
        local,
        segmentation,
        labels_of(folders[0], configs[0]),
        origins,
        runs=tuple(folders),
        settings=settings_of(configs[0]),
    )


def _tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a run.

    Raises:
        DataError: One is not there, not readable or lacks a column.
    """
    try:
        tables = read_tables(folder / "tables", COLUMNS)
    except (OSError, ValueError) as error:  # pyarrow's errors are one or the other
        raise DataError(f"{folder}: expected the tables of a finished run, got: {error}") from error
    for name, columns in COLUMNS.items():
        missing = [column for column in columns if column not in tables[name]]
        if missing:
            raise DataError(
                f"{folder / 'tables' / name}.parquet: expected the columns {columns}, got none of {missing}. "
                "Explain the cases again with this version."
            )
    return {name: tables[name][columns] for name, columns in COLUMNS.items()}
