"""`-m`: one folder per job, each complete."""

from pathlib import Path

import pytest

from agg2exp.io.case_store import CaseStore
from tests.helpers.runs import CASES, ONE_CASE, Tiny, run

WRITTEN = {"cases", "tables", "metrics", "config.yaml", "environment.json", "explain.log", ".hydra"}


def test_every_job_has_its_folder_with_everything_in_it(tiny: Tiny, tmp_path: Path):
    finished = run("explain", ["-m", *tiny.explain(*ONE_CASE), "score=sum,mean"], tmp_path)
    assert finished.code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"0", "1", "multirun.yaml"}
    for job, score in enumerate(["sum", "mean"]):
        folder = tmp_path / str(job)
        assert {p.name for p in folder.iterdir()} == WRITTEN
        assert CaseStore(folder).read(CASES[0]).settings["score"] == score
        assert f"output: {folder}" in (folder / "config.yaml").read_text()


def test_wrong_value_in_one_job_ends_the_sweep_with_its_message(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    finished = run("explain", ["-m", *tiny.explain(*ONE_CASE), "inference.overlap=0.25,1.5"], tmp_path)
    assert finished.code == 1
    said = capsys.readouterr().err
    assert "agg2exp: inference.overlap: expected a number of at least 0 and below 1, got 1.5." in said
    assert CaseStore(tmp_path / "0").finished() == [CASES[0]]
