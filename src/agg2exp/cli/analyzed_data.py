"""The data sets of an analysis with what the user adds to them: metadata, patients, classes that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.application import build
from agg2exp.cli.data_sets import read_data_sets
from agg2exp.domain.errors import DataError, SettingError, check_choice
from agg2exp.domain.labels import Labels
from agg2exp.domain.patients import patient_of
from agg2exp.report.data_set import DataSet, differing_settings
from agg2exp.report.left_out import LeftOut
from agg2exp.store.metadata import read_metadata


def analyzed_data(config: DictConfig, left_out: list[LeftOut]) -> list[DataSet]:
    """The data sets with their metadata and joined classes; damaged runs are noted in `left_out`.

    Raises:
        JobError: A data set cannot be read.
        DataError: The metadata cannot be read.
        SettingError: Metadata or groups name what is not there.
    """
    if config.join and not config.groups:
        raise SettingError("join", True, "false where no classes belong together", "Choose them with groups=….")
    anatomy = build(config, "anatomy")
    data_sets = read_data_sets(config.runs, published_labels(config), left_out)
    files = _metadata_files(config, data_sets)
    for name in files:
        check_choice("metadata", name, {*(data.name for data in data_sets), *(item.data_set for item in left_out)})
    join, columns = groups_of(config) if config.join else {}, config.columns
    complete = []
    for data in (replace(data, anatomy=anatomy, join=join) for data in data_sets):
        file = files.get(data.name)
        if file is None:
            complete.append(data)
        else:
            metadata = read_metadata(Path(file), columns.case, columns.patient, cases=data.cases)
            complete.append(with_metadata(data, metadata, columns.patient))
    return complete


def published_labels(config: DictConfig) -> Labels:
    """The classes of published tables, which do not say in which order they are."""
    classes: Any = OmegaConf.to_container(config.labels) if OmegaConf.is_config(config.labels) else config.labels
    return Labels(classes)


def _metadata_files(config: DictConfig, data_sets: Sequence[DataSet]) -> dict[str, str | None]:
    """The file of each data set: its own, or the one for all."""
    if isinstance(config.metadata, DictConfig):
        return {str(name): place for name, place in config.metadata.items()}
    return {data.name: config.metadata for data in data_sets}


def groups_of(config: DictConfig) -> dict[str, list[str]]:
    """Classes that belong together, by the name of their group."""
    return {str(name): list(members) for name, members in config.groups.items()}


def with_metadata(data: DataSet, metadata: pd.DataFrame, patient_column: str | None) -> DataSet:
    """The data set with what is known of its cases, and of which patient they are.

    Raises:
        DataError: The column of patients is missing, or a case has no patient.
    """
    if patient_column is None:
        return replace(data, metadata=metadata)
    if patient_column not in metadata:
        raise DataError(f"metadata: expected the column {patient_column!r}, got {list(metadata.columns)}.")
    stated = metadata[patient_column].dropna().astype(str).to_dict()
    try:
        patients = dict(zip(data.cases, patient_of(data.cases, stated), strict=True))
    except DataError as error:
        raise DataError(f"metadata of {data.name}: {error}") from error
    return replace(data, metadata=metadata.drop(columns=patient_column), patients=patients)


def reference_of(data: DataSet, config: DictConfig, data_sets: Sequence[DataSet]) -> DataSet:
    """The data set that the forests of another one take as normal: itself, if none is named.

    Raises:
        SettingError: There is none of the name, or the two were made differently.
    """
    if config.reference is None:
        return data
    by_name = {other.name: other for other in data_sets}
    check_choice("reference", config.reference, by_name)
    reference = by_name[config.reference]
    differing = differing_settings(data, reference)
    if differing:
        allowed = f"a data set made with the same settings as {data.name}"
        raise SettingError("reference", config.reference, allowed, f"They differ in {differing}.")
    return reference
