"""What `agg2exp analyze` is pointed at, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from agg2exp.cli.analyzed_data import with_metadata
from agg2exp.cli.application import JobError
from agg2exp.cli.data_sets import read_data_sets
from agg2exp.domain.errors import DataError
from agg2exp.domain.labels import Labels
from agg2exp.report.between import shared_cases
from agg2exp.report.data_set import differing_settings
from agg2exp.store.case_store import CaseStore
from tests.helpers.stored_runs import CLASSES, stored_run
from tests.unit.store.test_published_table import wide

SCHEME = Labels(CLASSES)


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
    assert both.labels.classes == tuple(CLASSES) and len({scan.digest for scan in both.scans.values()}) == 8


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ("nowhere", "runs: expected folders of finished runs or sweeps"),
        ("empty", "expected finished runs in .*empty, got none"),
        (["a", "a2"], "several are named .*totalsegmentator/smoothgrad.*; name them: "),
        ({"x": ["a", "vanilla"]}, r"x: .*differ in \['method'\] and are not one data set"),
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


def changed(run: Path, **nodes: object) -> Path:
    """The run with other nodes in its configuration, by their dotted name with __."""
    config = OmegaConf.load(run / "config.yaml")
    for name, value in nodes.items():
        OmegaConf.update(config, name.replace("__", "."), value, merge=False)
    OmegaConf.save(config, run / "config.yaml")
    return run


def retold(run: Path, **settings: str) -> Path:
    """The run with other settings of its cases, by their name with __ for ": "."""
    store, told = CaseStore(run), {name.replace("__", ": "): value for name, value in settings.items()}
    for case in store.finished():
        result = store.read(case)
        store.write(replace(result, settings={**result.settings, **told}))
    return run


@pytest.mark.parametrize(
    ("nodes", "name"),
    [
        ({"data__resample": "any"}, "data.resample"),
        ({"data__extra_masks": {"nodule": "{case}/nodule.nii.gz"}}, "data.extra_masks"),
        ({"data__mask_threshold": 0.5}, "data.mask_threshold"),
        ({"data__layout": {"images": "{case}/t1.nii.gz"}}, "data.layout"),
    ],
)
def test_runs_that_read_other_files_are_not_one_data_set(tmp_path: Path, nodes: dict, name: str):
    a, b = stored_run(tmp_path / "a", n=2), changed(stored_run(tmp_path / "b", n=2, first=2), **nodes)
    with pytest.raises(JobError, match=rf"x: .*/a and .*/b differ in \['{name}'\] and are not one data set"):
        read_data_sets(OmegaConf.create({"x": [str(a), str(b)]}), SCHEME)


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("windows__overlap", "windows"),
        ("preprocessing__intensity", "preprocessing"),
        ("weights", "model"),
        ("network code", "model"),
        ("module__factor", "module"),
        ("score__weights", "score"),
        ("mask_policy", "score"),
        ("attribution__n_samples", "method"),
        ("regions", "regions"),
    ],
)
def test_runs_that_differ_in_what_importances_depend_on_are_not_one_data_set(tmp_path: Path, setting: str, part: str):
    a = retold(stored_run(tmp_path / "a", n=2), **{setting: "one"})
    b = retold(stored_run(tmp_path / "b", n=2, first=2), **{setting: "Tensor(two)"})
    with pytest.raises(JobError, match=rf"x: .*/a and .*/b differ in \['{part}'\] and are not one data set"):
        read_data_sets(OmegaConf.create({"x": [str(a), str(b)]}), SCHEME)


def test_what_importances_do_not_depend_on_may_differ(tmp_path: Path):
    runs = [
        changed(
            retold(
                stored_run(tmp_path / str(i), n=2, first=2 * i),
                **{"windows__batch": str(i), "metric complexity__n": str(i), "files of the case": str(i)},
                **dict.fromkeys(("classes", "seed", "twins", "compiled", "torch", "agg2exp"), str(i)),
            ),
            data__cache=str(i),
            data__shard=f"{i + 1}/2",
            data__cases=[str(i)],
        )
        for i in range(2)
    ]
    (data,) = read_data_sets(OmegaConf.create({"x": [*map(str, runs)]}), SCHEME)
    assert len(data.cases) == 4
    assert data.provenance is not None
    assert set(data.provenance.settings) == {"method", "weights", "labels"}


def test_parts_of_the_settings_in_which_data_sets_differ_are_named(tmp_path: Path):
    runs = {
        "a": stored_run(tmp_path / "a", n=2),
        "b": retold(stored_run(tmp_path / "b", n=2, attribution="x"), preprocessing__spacing="(1, 1, 1)"),
        "c": changed(stored_run(tmp_path / "c", n=2), data__extra_masks={"nodule": "other"}),
    }
    a, b, c = read_data_sets(OmegaConf.create({name: str(run) for name, run in runs.items()}), SCHEME)
    assert differing_settings(a, b) == ["method", "preprocessing"]
    assert differing_settings(a, c) == []
    assert differing_settings(replace(a, provenance=None), b) == []


def test_a_case_of_published_tables_is_one_scan(tmp_path: Path):
    paths = [tmp_path / "smoothgrad.csv", tmp_path / "kernel_shap.csv"]
    for seed, path in enumerate(paths):
        wide(seed, classes=tuple(CLASSES)).to_csv(path, index=False)
    a, b = read_data_sets(OmegaConf.create([str(path) for path in paths]), SCHEME)
    assert [a.name, b.name] == ["smoothgrad", "kernel_shap"]
    assert shared_cases(a, b) == ["s0000", "s0001", "s0002"]
    assert differing_settings(a, b) == []


def damaged_parquet(run: Path) -> None:
    (run / "tables" / "roi_importance.parquet").write_bytes(b"broken")


def without(table: str, column: str) -> Callable[[Path], None]:
    def drop(run: Path) -> None:
        path = run / "tables" / f"{table}.parquet"
        pd.read_parquet(path).drop(columns=column).to_parquet(path)

    return drop


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damaged_parquet, r"run/tables/roi_importance\.parquet: expected a table of a finished run, got: "),
        (without("roi_importance", "enrichment_body"), r"run/tables/roi_importance\.parquet: .* of \['enrichment_b"),
        (without("segmentation", "dice"), r"run/tables/segmentation\.parquet: .* of \['dice'\]"),
    ],
)
def test_a_damaged_run_is_named(tmp_path: Path, damage: Callable[[Path], None], message: str):
    damage(stored_run(tmp_path / "run", n=2))
    with pytest.raises(JobError, match=message):
        read_data_sets(str(tmp_path / "run"), SCHEME)


def test_patients_come_from_a_column(tmp_path: Path):
    (data,) = read_data_sets(str(stored_run(tmp_path / "a", n=3)), SCHEME)
    metadata = pd.DataFrame({"patient": ["p", "p", "q"], "age": [1, 2, 3]}, index=list(data.cases))
    known = with_metadata(data, metadata, "patient")
    assert known.patients == {"c00000": "p", "c00001": "p", "c00002": "q"}
    assert known.metadata is not None and list(known.metadata) == ["age"]
    with pytest.raises(
        DataError, match=r"metadata of total.*: expected a patient for every case, got none for \['c00002'\]"
    ):
        with_metadata(data, metadata.iloc[:2], "patient")
    with pytest.raises(DataError, match="expected the column 'who'"):
        with_metadata(data, metadata, "who")
