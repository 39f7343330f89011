"""Which parts an analysis has, and which of them a tracker may have."""

from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from agg2exp.cli.data_sets import read_data_sets, with_metadata
from agg2exp.report.analysis import Part, parts_across, parts_of
from agg2exp.report.artefacts import LeftOut, possible
from agg2exp.report.data_set import DataSet
from agg2exp.report.settings import AnalysisSettings
from tests.helpers.stored_runs import stored_run

SETTINGS = AnalysisSettings(draws=100, permutations=99, forests=1)


def made(part: Part) -> tuple[list[str], list[str]]:
    """Names of what a part makes, and why it is left out."""
    left_out: list[LeftOut] = []
    names = [name for name, _ in possible(part.data_set, part.name, part.made, left_out)]
    return names, [out.reason for out in left_out]


OF_PATIENTS = {
    "distributions", "poor regions", "outliers", "outliers and metadata", "slices of outliers", "four panels",
}  # fmt: skip


def named(**runs: Path) -> list[DataSet]:
    return read_data_sets(OmegaConf.create({name: str(folder) for name, folder in runs.items()}), labels=None)


@pytest.mark.parametrize("name", ["change_site", "dice_high", "graph", "heat_maps", "context", "presence/agreement"])
def test_what_may_leave_does_not_depend_on_the_name_of_a_data_set(tmp_path: Path, name: str):
    (data,) = named(**{name: stored_run(tmp_path, n=12)})
    known = with_metadata(data, pd.DataFrame({"age": range(12)}, index=list(data.cases)), None)
    parts = [*parts_of(known, known, SETTINGS, None), *parts_across([known], {}, SETTINGS)]
    assert {part.name for part in parts if not part.public} == OF_PATIENTS
    assert {"presence of sources", "heat map of importance", "graph", "edges beyond distance", "outliers and Dice",
            "context", "Dice"} <= {part.name for part in parts if part.public}  # fmt: skip


def test_a_file_of_cases_and_patients_alone_leaves_out_the_tests_on_metadata(tmp_path: Path):
    (data,) = named(x=stored_run(tmp_path, n=24))
    table = pd.DataFrame({"patient": [f"p{i // 2}" for i in range(24)]}, index=list(data.cases))
    known = with_metadata(data, table, "patient")
    parts = {part.name: part for part in parts_of(known, known, SETTINGS, None)}
    assert made(parts["outliers"]) == (["x/outliers"], [])
    reason = "the metadata tell nothing but the ids of cases and patients"
    assert made(parts["outliers and metadata"]) == ([], [reason])
