"""`agg2exp collect`: the end of a run again, and of shards that independent jobs explained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf
from safetensors import safe_open
from safetensors.numpy import save

import agg2exp
from agg2exp.run.module import ExplanationModule
from agg2exp.store.case_store import CaseStore
from tests.helpers.runs import CASES, Finished, Tiny, run

CHEAP = ["attribution=vanilla_gradient", "classes=[heart,aorta]", "callbacks.slices.first=1", "logger=none",
         "metric=complexity"]  # fmt: skip
PICTURES = ("heat_map.png", "graph.png")


def contents(folder: Path) -> dict[str, bytes]:
    """Tables that repeat, and pictures."""
    paths = [*folder.glob("tables/*"), *(folder / "figures" / name for name in PICTURES)]
    return {path.name: path.read_bytes() for path in paths if path.stem != "timings"}


@pytest.fixture(scope="module")
def whole(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """All cases by one job."""
    finished = run("explain", tiny.explain(*CHEAP), tmp_path_factory.mktemp("whole"))
    assert finished.code == 0
    return finished


@pytest.fixture(scope="module")
def shards(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two jobs, one of which failed at its second case."""
    folder, explain = tmp_path_factory.mktemp("shards"), ExplanationModule.explain
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ExplanationModule,
            "explain",
            lambda self, case, *rest: 1 / 0 if case.id == CASES[2] else explain(self, case, *rest),
        )
        codes = [
            run("explain", tiny.explain(*CHEAP, f"data.shard={shard}"), folder / name).code
            for name, shard in (("a", "1/2"), ("b", "2/2"))
        ]
    assert codes == [1, 0]
    assert [CaseStore(folder / name).finished() for name in "ab"] == [CASES[:1], CASES[1:2]]
    return [folder / "a", folder / "b"]


def collect(runs: str | Path | list[Path], output: Path, *words: str) -> int:
    named = f"[{','.join(map(str, runs))}]" if isinstance(runs, list) else str(runs)
    return run("collect", [f"runs={named}", *words], output).code


def test_a_run_is_collected_again_to_the_same_bytes_in_its_own_folder(
    whole: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "run"
    shutil.copytree(whole.output, folder)
    for part in ("tables", "figures"):
        shutil.rmtree(folder / part)
    monkeypatch.setattr("tests.helpers.runs.override", lambda *_: "hydra.job.chdir=false")
    hydras = {path.name: path.read_bytes() for path in (folder / ".hydra").glob("*.yaml")}
    assert collect(folder, tmp_path / "unused") == 0
    assert contents(folder) == contents(whole.output)
    assert {path.name: path.read_bytes() for path in (folder / ".hydra").glob("*.yaml")} == hydras
    assert not (tmp_path / "unused").exists()


def test_a_run_of_an_earlier_version_is_refused_and_keeps_its_results(
    whole: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "run"
    shutil.copytree(whole.output, folder)
    path = CaseStore(folder).path(CASES[0])
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        words = {name: value for name, value in file.metadata().items() if name not in ("checksum", "format")}
    path.write_bytes(save(arrays, metadata=words))
    before = contents(folder) | {path.name: path.read_bytes()}
    assert collect(folder, folder) == 1
    assert f"as agg2exp {agg2exp.__version__}" in capsys.readouterr().err
    assert contents(folder) | {path.name: path.read_bytes()} == before
    assert not (folder / "failures.csv").exists()


def test_a_run_that_was_killed_is_collected_and_says_what_is_missing(
    whole: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "run"
    shutil.copytree(whole.output, folder)
    CaseStore(folder).path(CASES[1]).unlink()
    assert collect(folder, folder) == 1
    assert f"1 of 3 cases failed ({CASES[1]})" in capsys.readouterr().err
    assert sorted(set(pd.read_parquet(folder / "tables" / "roi_importance.parquet")["case"])) == [CASES[0], CASES[2]]


def test_shards_become_one_run_that_goes_on_and_is_analysed(
    tiny: Tiny, whole: Finished, shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    joined = tmp_path / "joined"
    for _ in range(2):  # again, and nothing changes
        assert collect(shards, joined) == 1
        assert f"1 of 3 cases failed ({CASES[2]})" in capsys.readouterr().err
        assert CaseStore(joined).finished() == CASES[:2]
        assert list(pd.read_csv(joined / "failures.csv")["stage"]) == ["explaining"]
    assert (joined / "volumes" / CASES[1] / "prediction.nii.gz").is_file()
    assert (joined / "figures" / "slices" / CASES[0]).is_dir()
    assert run("explain", [*tiny.explain(*CHEAP), f"resume={joined}"], joined).code == 0
    assert contents(joined) == contents(whole.output)
    assert collect([*shards, joined], joined) == 0  # what went on in the joined run stays
    assert contents(joined) == contents(whole.output)
    config = OmegaConf.load(joined / "config.yaml")
    assert config.paths.output == str(joined)
    assert config.data.shard is None
    assert run("report", [f"runs={joined}"], tmp_path / "report").code == 0
    assert run("analyze", [f"runs={joined}", "images=false"], tmp_path / "analysis").code == 0


def test_shards_with_other_settings_are_refused_and_nothing_is_written(
    tiny: Tiny, shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = tmp_path / "other"
    assert run("explain", tiny.explain(*CHEAP, "score=mean", f"data.cases=[{CASES[1]}]"), other).code == 0
    assert collect([shards[0], other], tmp_path / "joined") == 1
    said = capsys.readouterr().err
    assert "were explained with different settings and do not make one run" in said
    assert "score: then sum, now mean" in said
    assert not (tmp_path / "joined" / "cases").exists()


def test_a_case_with_two_results_that_differ_is_refused(
    shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = tmp_path / "other"
    shutil.copytree(shards[1], other)
    assert collect([*shards, other], tmp_path / "same") == 1  # equal twins are one; one case failed
    assert CaseStore(tmp_path / "same").finished() == CASES[:2]
    capsys.readouterr()
    result = CaseStore(other).read(CASES[1])
    result.voxels[1] += 1
    CaseStore(other).write(result)
    assert collect([*shards, other], tmp_path / "joined") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"case {CASES[1]} has two results that differ, in {shards[1]} and in {other}" in said
    assert not (tmp_path / "joined" / "cases").exists()


def test_a_shard_that_is_missing_is_named(shards: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert collect([shards[1]], tmp_path / "joined") == 1
    said = capsys.readouterr().err
    assert "runs: expected all shards of the data set, got none of 1/2. The tables are over the others" in said
    assert CaseStore(tmp_path / "joined").finished() == CASES[1:2]


def test_a_folder_that_is_no_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "empty").mkdir()
    assert collect(tmp_path / "empty", tmp_path / "joined") == 1
    assert "runs: expected the folder of a run, or of a multirun, got" in capsys.readouterr().err
