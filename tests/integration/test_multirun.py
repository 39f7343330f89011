"""`-m`: one folder per job, each complete."""

from pathlib import Path

import pandas as pd
import pytest

from agg2exp.store.case_store import CaseStore
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
    finished = run("explain", ["-m", *tiny.explain(*ONE_CASE), "model.windows.overlap=0.25,1.5"], tmp_path)
    assert finished.code == 1
    said = capsys.readouterr().err
    assert "agg2exp: model.windows.overlap: expected a number of at least 0 and below 1, got 1.5." in said
    assert CaseStore(tmp_path / "0").finished() == [CASES[0]]


def test_a_job_that_would_do_the_work_of_another_ends_at_once_and_names_it(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    fixed = [word for word in tiny.explain(*ONE_CASE, "coalitions=8") if not word.startswith("attribution=")]
    sweep = ["attribution=vanilla_gradient,kernel_shap", "supervoxels=cubes,semantic"]
    finished = run("explain", ["-m", *fixed, *sweep], tmp_path)
    assert finished.code == 0
    done = [job for job in range(4) if CaseStore(tmp_path / str(job)).finished()]
    assert done == [0, 2, 3]
    assert (
        "vanilla_gradient uses no supervoxels: the results are those of job 0"
        in (tmp_path / "1" / "explain.log").read_text()
    )
    settings = [CaseStore(tmp_path / str(job)).read(CASES[0]).settings for job in done]
    assert [s["method"] for s in settings] == ["vanilla_gradient", "kernel_shap", "kernel_shap"]
    assert settings[1]["attribution: supervoxels"] == "Cubes(n_components=512, edge=None)"
    assert settings[2]["attribution: supervoxels"] == "Semantic()"
    table = pd.read_parquet(tmp_path / "3" / "tables" / "supervoxels.parquet")
    assert set(table["target"]) == {"heart", "aorta"}
    assert (table.groupby("target")["voxels"].sum() > 0).all()
    notes = pd.read_parquet(tmp_path / "2" / "tables" / "notes.parquet")
    assert set(notes["name"]) == {"underdetermined"} and set(notes["value"]) <= {0.0, 1.0}
