"""What `agg2exp analyze` is pointed at, and what it refuses."""

from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from agg2exp.cli.application import JobError
from agg2exp.cli.data_sets import read_data_sets, with_metadata
from agg2exp.domain.errors import DataError
from agg2exp.domain.labels import LabelScheme
from tests.helpers.stored_runs import CLASSES, GROUPS, stored_run

SCHEME = LabelScheme.from_config(
    "six", {name: {"group": group, "files": [] if name == "background" else [name]} for name, group in CLASSES.items()},
    GROUPS,
)  # fmt: skip


def test_each_run_of_a_list_is_a_data_set_and_named_runs_are_one(tmp_path: Path):
    a = stored_run(tmp_path / "sweep" / "0", n=5)
    b = stored_run(tmp_path / "sweep" / "1", n=5, attribution="vanilla_gradient")
    c = stored_run(tmp_path / "more", n=3, first=5)
    assert [d.name for d in read_data_sets(str(tmp_path / "sweep"), SCHEME)] == [
        "totalsegmentator/smoothgrad", "totalsegmentator/vanilla_gradient",
    ]  # fmt: skip
    assert [d.runs for d in read_data_sets(OmegaConf.create([str(a), str(b)]), SCHEME)] == [(a,), (b,)]
    (both,) = read_data_sets(OmegaConf.create({"all": [str(a), str(c)]}), SCHEME)
    assert both.name == "all" and len(both.cases) == 8
    assert both.scheme.classes == tuple(CLASSES) and both.origin == "/data/here"


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ("nowhere", "runs: expected folders of finished runs or sweeps"),
        ("empty", "expected finished runs in .*empty, got none"),
        (["a", "a2"], "several are named .*totalsegmentator/smoothgrad.*; name them: "),
        ({"x": ["a", "vanilla"]}, r"x: .*differ in \['attribution'\] and are not one data set"),
        ({"x": ["a", "other.csv"]}, "x: expected one published CSV or runs"),
        ({"x": "no_config"}, "expected the configuration of a run of agg2exp explain in .*config.yaml"),
        ("missing.csv", "missing: .*No such file"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, runs: object, message: str):
    stored_run(tmp_path / "a", n=2)
    stored_run(tmp_path / "a2", n=2, first=2)
    stored_run(tmp_path / "vanilla", n=2, first=4, attribution="vanilla_gradient")
    (stored_run(tmp_path / "no_config", n=2) / "config.yaml").unlink()
    (tmp_path / "empty").mkdir()

    def below(part):
        if isinstance(part, dict):
            return {key: below(value) for key, value in part.items()}
        return [below(p) for p in part] if isinstance(part, list) else str(tmp_path / part)

    named = below(runs)
    with pytest.raises(JobError, match=message):
        read_data_sets(named if isinstance(named, str) else OmegaConf.create(named), SCHEME)


def test_patients_come_from_a_column(tmp_path: Path):
    (data,) = read_data_sets(str(stored_run(tmp_path / "a", n=3)), SCHEME)
    metadata = pd.DataFrame({"patient": ["p", "p", "q"], "age": [1, 2, 3]}, index=list(data.cases))
    known = with_metadata(data, metadata, "patient")
    assert known.patients == {"c00000": "p", "c00001": "p", "c00002": "q"}
    assert known.metadata is not None and list(known.metadata) == ["age"]
    with pytest.raises(DataError, match=r"expected a patient for every case of .*, got none for \['c00002'\]"):
        with_metadata(data, metadata.iloc[:2], "patient")
    with pytest.raises(DataError, match="expected the column 'who'"):
        with_metadata(data, metadata, "who")
