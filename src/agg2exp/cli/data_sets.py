"""The data sets that `agg2exp analyze` is pointed at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, ListConfig, OmegaConf

from agg2exp.cli.application import JobError
from agg2exp.cli.runs import find_runs
from agg2exp.domain.errors import DataError
from agg2exp.domain.labels import LabelScheme
from agg2exp.io.published_table import read_published_table
from agg2exp.io.tables import ROI_IMPORTANCE, SEGMENTATION, read_tables
from agg2exp.report.data_set import DataSet

ONE_RUN = ("model", "attribution", "score", "supervoxels", "baseline", "mask_policy", "regions", "expansion")
"""Settings in which the runs of one data set must agree."""


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
        return [_data_set(str(name), _paths(of_one), labels) for name, of_one in runs.items()]
    made = []
    for path in _paths(runs):
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


def _paths(named: str | ListConfig | Sequence[str]) -> list[Path]:
    return [Path(named)] if isinstance(named, str) else [Path(str(name)) for name in named]


def _data_set(name: str, paths: Sequence[Path], labels: LabelScheme) -> DataSet:
    """One data set from one published table, or from one or several runs."""
    try:
        if any(path.suffix == ".csv" for path in paths):
            if len(paths) > 1:
                raise DataError(f"expected one published CSV or runs, got {[str(path) for path in paths]}.")
            return _published(name, paths[0], labels)
        folders = [run.folder for run in find_runs(paths)]
        if not folders:
            raise DataError(f"expected finished runs in {[str(path) for path in paths]}, got none.")
        return _from_runs(name, folders)
    except (DataError, OSError) as error:
        raise JobError(f"agg2exp: runs: {name}: {error}") from error


def _published(name: str, path: Path, labels: LabelScheme) -> DataSet:
    tables = read_published_table(path)
    unknown = sorted({*tables[SEGMENTATION]["class"]} ^ {*labels.classes})
    if unknown:
        raise DataError(f"expected the classes of labels={labels.name} in {path}, got a difference in {unknown}.")
    return DataSet(name, tables[ROI_IMPORTANCE], tables[SEGMENTATION], labels, origin=str(path.resolve()))


def _from_runs(name: str, folders: Sequence[Path]) -> DataSet:
    """Runs with the same settings and different cases as one data set."""
    configs = [_config(folder) for folder in folders]
    for config, folder in zip(configs, folders, strict=True):
        differing = [key for key in ONE_RUN if config.get(key) != configs[0].get(key)]
        if differing:
            raise DataError(
                f"{folders[0]} and {folder} differ in {differing} and are not one data set; name them apart."
            )
    tables = [read_tables(folder / "tables", [ROI_IMPORTANCE, SEGMENTATION]) for folder in folders]
    local, segmentation = (pd.concat([t[part] for t in tables], ignore_index=True) for part in tables[0])
    spec = configs[0]["model"]["labels"]
    labels = LabelScheme.from_config(spec["name"], spec["classes"], spec["groups"])
    origin = str(Path(configs[0]["data"]["root"]).resolve())
    return DataSet(name, local, segmentation[["case", "class", "dice"]], labels, origin, tuple(folders))


def _config(folder: Path) -> dict[str, Any]:
    """What a run was made with.

    Raises:
        DataError: It is not there or not complete.
    """
    path = folder / "config.yaml"
    config = OmegaConf.to_container(OmegaConf.load(path)) if path.is_file() else None
    if not isinstance(config, dict) or not isinstance(config.get("model"), Mapping) or "data" not in config:
        raise DataError(f"expected the configuration of a run of agg2exp explain in {path}, got none.")
    return {str(key): value for key, value in config.items()}
