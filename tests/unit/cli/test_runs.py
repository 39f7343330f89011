"""Which runs are meant, and what they are called."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from agg2exp.cli.application import JobError
from agg2exp.cli.runs import find_runs, named_runs


def made(folder: Path, method: str = "smoothgrad", overrides: Sequence[str] = (), end: bool = True) -> Path:
    """The folder of a run as `agg2exp explain` leaves it."""
    (folder / ".hydra").mkdir(parents=True)
    choices = {"attribution": method, "data": "phantom", "supervoxels": "none"}
    OmegaConf.save(OmegaConf.create({"hydra": {"runtime": {"choices": choices}}}), folder / ".hydra" / "hydra.yaml")
    OmegaConf.save(OmegaConf.create(list(overrides)), folder / ".hydra" / "overrides.yaml")
    (folder / "config.yaml").touch()
    if end:
        (folder / "tables").mkdir()
    return folder


def names(*folders: Path) -> list[tuple[str, str]]:
    return [(run.data, run.method) for run in find_runs(folders)]


def test_jobs_of_a_sweep_come_in_their_order(tmp_path: Path):
    for job in (10, 9, 2):
        made(tmp_path / str(job), f"method_{job}")
    assert names(tmp_path) == [("phantom", "method_2"), ("phantom", "method_9"), ("phantom", "method_10")]


def test_a_run_that_is_named_twice_is_one(tmp_path: Path):
    run = made(tmp_path / "sweep" / "0")
    assert names(run, tmp_path / "sweep", run / ".." / "0") == [("phantom", "smoothgrad")]


def test_runs_that_differ_in_nothing_else_are_called_after_what_differs(tmp_path: Path):
    more = ["attribution=smoothgrad", "seed=1", "output=elsewhere", "resume=somewhere", "trainer=cpu"]
    made(tmp_path / "0", overrides=[*more, "attribution.n_samples=5"])
    made(tmp_path / "1", overrides=["attribution=smoothgrad", "seed=1", "attribution.n_samples=20", "data.root=/b"])
    made(tmp_path / "2", "vanilla_gradient", ["seed=7"])
    assert names(tmp_path) == [
        ("phantom", "smoothgrad attribution.n_samples=5"),
        ("phantom data.root=/b", "smoothgrad attribution.n_samples=20"),
        ("phantom", "vanilla_gradient"),
    ]


def test_names_have_no_case_ids_and_fit_into_the_name_of_a_file(tmp_path: Path):
    made(tmp_path / "0", overrides=["data.cases=[s0011]", "+data.cases=[s0012]"])
    made(tmp_path / "1", overrides=["data.cases=[s0042]"])
    assert names(tmp_path) == [("phantom", "smoothgrad")] * 2
    for job in (2, 3):
        made(
            tmp_path / str(job),
            "captum",
            [f"+data.extra_masks.m=/{job}", f"attribution.method={'x' * job * 40}"],
        )
    assert names(tmp_path / "2", tmp_path / "3") == [("phantom", "captum 2"), ("phantom", "captum 3")]


def test_data_sets_can_be_named(tmp_path: Path):
    a, b, c = (made(tmp_path / name / "0") for name in "abc")
    made(a.parent / "1", "vanilla_gradient")
    for job in "23":
        made(a.parent / job, "captum", [f"+data.split={job}"])
    found = named_runs(OmegaConf.create({"inside": str(a.parent), "outside": [str(b)]}))
    assert [(run.data, run.method) for run in found] == [
        ("inside", "smoothgrad"), ("inside", "vanilla_gradient"), ("inside +data.split=2", "captum"),
        ("inside +data.split=3", "captum"), ("outside", "smoothgrad"),
    ]  # fmt: skip
    assert [run.folder for run in named_runs(OmegaConf.create([str(c), str(b)]))] == [c, b]
    assert [run.folder for run in named_runs(str(c))] == [c]


def test_what_did_not_finish_is_named_and_what_was_not_needed_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    made(tmp_path / "0")
    failed = made(tmp_path / "1", end=False)
    (made(tmp_path / "2", end=False) / "config.yaml").unlink()  # its results would be those of another job
    with caplog.at_level(logging.WARNING):
        assert len(find_runs([tmp_path])) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"{failed} has no results, since it did not finish, and is left out"
    ]


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(JobError, match=r"runs: expected folders of finished runs or sweeps, got .*nowhere"):
        named_runs(str(tmp_path / "nowhere"))
