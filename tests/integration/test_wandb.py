"""Weights & Biases, offline: what was recorded is read back from the run's own log."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from agg2exp.run.module import ExplanationModule
from tests.helpers.runs import CASES, ONE_CASE, Finished, Tiny, run

TWO_CASES = [word if word != "data.limit=1" else "data.limit=2" for word in ONE_CASE]

CHOSEN = f"data.cases=[{CASES[0]},{CASES[1]}]"
PATIENT = "mueller_hans"
PICTURES = [CHOSEN, "callbacks=explain", "callbacks.slices.first=1", "logger=wandb", "logger.wandb.group=tests"]


def recorded(output: Path) -> list[dict[str, Any]]:
    """The records of the only W&B run below a folder, each {"type": t, t: content}."""
    (log,) = [p for p in output.glob("wandb/offline-run-*/*.wandb") if not p.parent.is_symlink()]
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(log)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def of_type(records: list[dict[str, Any]], kind: str) -> list[Any]:
    return [record[kind] for record in records if record["type"] == kind]


def merged(records: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return {key: value for update in of_type(records, kind) for key, value in update["update"].items()}


@pytest.fixture(scope="module")
def logged(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("wandb") / PATIENT
    shutil.copytree(tiny.root, folder / "scans")
    shutil.copy(tiny.weights, folder / "weights.safetensors")
    places = [f"data.root={folder / 'scans'}", f"model.weights={folder / 'weights.safetensors'}"]
    own = [
        word for word in tiny.explain(*TWO_CASES, *PICTURES) if not word.startswith(("data.root=", "model.weights="))
    ]
    finished = run("explain", [*own, *places, f"paths.cache={folder / 'cache'}"], folder / "run")
    assert finished.code == 0
    return finished


@pytest.fixture(scope="module")
def records(logged: Finished) -> list[dict[str, Any]]:
    return recorded(logged.output)


def test_configuration_is_recorded_resolved(records: list[dict[str, Any]], logged: Finished):
    config = merged(records, "config")
    assert config["attribution"]["_target_"] == "agg2exp.attribution.VanillaGradient"
    assert config["module"]["classes"] == ["heart", "aorta"]
    assert config["model"]["windows"]["size"] == [24, 24, 24]
    assert config["seed"] == 0 and config["data"]["split"] == "test"
    assert "output" not in config.get("paths", {}) and not {"root", "cases"} & set(config["data"])
    assert "${" not in json.dumps(config)


def test_summary_tells_the_numbers_of_the_run(records: list[dict[str, Any]], logged: Finished):
    summary = merged(records, "summary")
    timings = pd.read_parquet(logged.output / "tables" / "timings.parquet")
    assert summary["cases"] == 2
    assert summary["window_forwards"] == timings["window_forwards"].sum()
    assert summary["window_backwards"] == timings["window_backwards"].sum()
    importance = pd.read_parquet(logged.output / "tables" / "global_importance.parquet")
    own = importance.query("kind == 'importance' and target == source")["mean"].mean()
    assert summary["self_importance"] == pytest.approx(own)


def test_global_importance_is_a_table_and_two_pictures(records: list[dict[str, Any]], logged: Finished):
    files = [Path(f["path"]) for update in of_type(records, "files") for f in update["files"]]
    media = [f for f in files if f.parts[0] == "media"]
    assert sorted(f.name.split("_1_")[0] for f in media) == ["global_importance", "graph", "heat_map"]
    (folder,) = logged.output.glob("wandb/offline-run-*/files")
    table = json.loads(next((folder / f).read_text() for f in media if f.suffix == ".json"))
    importance = pd.read_parquet(logged.output / "tables" / "global_importance.parquet")
    expected = importance[importance["kind"] == "importance"].drop(columns="kind")
    assert table["columns"] == list(expected.columns)
    assert len(table["data"]) == len(expected)
    for picture in (f for f in media if f.suffix == ".png"):
        name = picture.name.split("_1_")[0]
        assert (folder / picture).read_bytes() == (logged.output / "figures" / f"{name}.png").read_bytes()
        assert Image.open(folder / picture).size > (100, 100)


def test_run_is_finished_and_named(records: list[dict[str, Any]]):
    assert [e.get("exit_code", 0) for e in of_type(records, "exit")] == [0]
    (described,) = of_type(records, "run")
    assert described["job_type"] == "explain"
    assert described["project"] == "agg2exp"


def test_nothing_about_a_patient_is_recorded(records: list[dict[str, Any]], logged: Finished):
    """No case id, no printed line, no argument, no picture of a scan, though the run itself wrote them all."""
    assert (logged.output / "figures" / "slices" / CASES[0] / "heart.png").is_file()
    assert f"case {CASES[0]}" in (logged.output / "explain.log").read_text()
    assert not of_type(records, "output_raw")
    assert not of_type(records, "output")
    assert not of_type(records, "environment")
    nothing_of(logged.output, *CASES, PATIENT, str(logged.output), str(Path.cwd()))
    assert of_type(records, "run")[0].get("host", "") == ""  # the name of this machine


def nothing_of(output: Path, *words: str) -> None:
    """No word is in the records or the files of the W&B run below a folder."""
    text = json.dumps(recorded(output))
    (files,) = output.glob("wandb/offline-run-*/files")
    for word in words:
        assert word not in text, word
        for path in [*files.rglob("*"), *files.parent.glob("*.wandb")]:
            assert path.is_dir() or word.encode() not in path.read_bytes(), (word, path)
            assert word not in path.name


def test_one_patient_is_no_summary(tiny: Tiny, tmp_path: Path):
    """With one case the table over all cases is that of the patient: only what it took is told."""
    words = ["metric=complexity", "logger=wandb", "+logger.csv._target_=lightning.pytorch.loggers.CSVLogger"]
    words += [f"+logger.csv.save_dir={tmp_path}", "+logger.csv.name=metrics", "+logger.csv.version=''"]
    assert run("explain", tiny.explain(*ONE_CASE, *words), tmp_path / "run").code == 0
    records = recorded(tmp_path / "run")
    assert "files" not in json.dumps(records) or not [*(tmp_path / "run").glob("wandb/offline-run-*/files/media")]
    told = {key for key in merged(records, "summary") if not key.startswith("_")}
    assert told <= {"cases", "window_forwards", "window_backwards", "seconds_per_case", "trainer/global_step"}
    local = pd.read_csv(tmp_path / "metrics" / "metrics.csv")
    assert {"self_importance", "complexity/mean"} <= set(local)


def test_jobs_of_a_multirun_are_runs_of_their_own(tiny: Tiny, tmp_path: Path):
    words = ["logger=wandb", "metric=complexity", "score=sum,mean"]
    assert run("explain", ["-m", *tiny.explain(*TWO_CASES), *words], tmp_path).code == 0
    first, second = (recorded(tmp_path / job) for job in ("0", "1"))
    named = [of_type(records, "run")[0] for records in (first, second)]
    (group,) = {described["run_group"] for described in named}
    assert re.fullmatch("explain-[0-9a-f]{8}", group)
    assert [described["display_name"] for described in named] == [
        "vanilla_gradient-unet-0",
        "vanilla_gradient-mean-unet-1",
    ]
    ids = {of_type(records, "run")[0]["run_id"] for records in (first, second)}
    assert len(ids) == 2
    for records, score in ((first, "SumScore"), (second, "MeanScore")):
        assert [e.get("exit_code", 0) for e in of_type(records, "exit")] == [0]
        assert merged(records, "config")["score"]["_target_"] == f"agg2exp.scores.{score}"
    for job, records in (("0", first), ("1", second)):
        values = pd.read_parquet(tmp_path / job / "tables" / "metrics.parquet")["value"]
        logged = next(row for row in of_type(records, "history") if "complexity/mean" in json.dumps(row))
        assert str(values.mean()) in json.dumps(logged)
        (metric,) = [metric for metric in of_type(records, "metric") if metric.get("name") == "complexity/mean"]
        assert metric["summary"] == {"min": True}


def test_report_is_a_run_of_its_own_with_its_tables_and_what_it_compares(tiny: Tiny, tmp_path: Path):
    words = [*tiny.explain(*TWO_CASES, "metric=[insertion_deletion,efficiency]"), "metric.insertion_deletion.steps=2"]
    few = [word for word in words if not word.startswith("attribution")]
    sweep = ["-m", *few, "attribution=vanilla_gradient,input_x_gradient"]
    assert run("explain", sweep, tmp_path / "sweep").code == 0
    assert run("report", [f"runs={tmp_path / 'sweep'}", "logger=wandb"], tmp_path / "report").code == 0
    records = recorded(tmp_path / "report")
    assert [e.get("exit_code", 0) for e in of_type(records, "exit")] == [0]
    (described,) = of_type(records, "run")
    assert described["job_type"] == "report" and re.fullmatch("report-[0-9a-f]{8}", described["display_name"])
    assert "runs" not in merged(records, "config")
    nothing_of(tmp_path / "report", *CASES, str(tmp_path), tmp_path.name)
    table = pd.read_csv(tmp_path / "report" / "benchmark.csv")
    assert len(table) == 2 * 7
    summary = merged(records, "summary")
    value = table.set_index(["method", "name"]).loc[("vanilla_gradient", "insertion_deletion"), "mean"]
    assert summary["phantom/vanilla_gradient/insertion_deletion"] == pytest.approx(value)
    (files,) = (tmp_path / "report").glob("wandb/offline-run-*/files")
    (stored,) = files.glob("media/table/benchmark*.json")
    assert len(json.loads(stored.read_text())["data"]) == len(table)
    assert len([*files.glob("media/table/ranks*.json")]) == 1
    assert len([*files.glob("media/images/curves_phantom*.png")]) == 1


def test_a_failed_job_of_a_multirun_is_recorded_as_failed_and_the_next_as_it_ends(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    explain = ExplanationModule.explain
    monkeypatch.setattr(
        ExplanationModule,
        "explain",
        lambda self, case, *fallback: 1 / 0 if self.explainer.score.name == "sum" else explain(self, case, *fallback),
    )
    assert run("explain", ["-m", *tiny.explain(*ONE_CASE), "logger=wandb", "score=sum,mean"], tmp_path).code == 1
    codes = [[e.get("exit_code", 0) for e in of_type(recorded(tmp_path / job), "exit")] for job in ("0", "1")]
    assert codes == [[1], [0]]


def test_failed_job_is_recorded_as_failed(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ExplanationModule, "explain", lambda *_: 1 / 0)
    assert run("explain", [*tiny.explain(*ONE_CASE), "logger=wandb"], tmp_path).code == 1
    assert [e["exit_code"] for e in of_type(recorded(tmp_path), "exit")] == [1]


def test_training_is_recorded_and_finished(tiny: Tiny, tmp_path: Path):
    assert run("train", tiny.train("logger=wandb"), tmp_path).code == 0
    records = recorded(tmp_path)
    assert [e.get("exit_code", 0) for e in of_type(records, "exit")] == [0]
    summary = merged(records, "summary")
    assert {"train/loss", "test/dice", "test/dice/heart"} <= set(summary)
    assert not [name for name in summary if name.startswith("val/")]  # one case is no split to tell of
    local = pd.read_csv(next(tmp_path.rglob("metrics.csv"))) if [*tmp_path.rglob("metrics.csv")] else None
    assert local is None or "val/dice" in local
    assert of_type(records, "run")[0]["job_type"] == "train"


def test_what_one_case_alone_has_is_in_no_global_table(tiny: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    shutil.copytree(tiny.root, tmp_path / "scans")
    of_one = tmp_path / "scans" / "s0003"
    shutil.copy(of_one / "segmentations" / "heart.nii.gz", of_one / "finding.nii.gz")
    words = ["attribution=vanilla_gradient", "classes=[heart]", "logger=wandb", "data=totalsegmentator",
             "+data.extra_masks.nodule='{case}/finding.nii.gz'"]  # fmt: skip
    words = [w.replace(str(tiny.root), str(tmp_path / "scans")) for w in tiny.explain(*words)]
    assert run("explain", words, tmp_path / "run").code == 0
    assert "nodule" in [*pd.read_parquet(tmp_path / "run" / "tables" / "global_importance.parquet")["source"]]
    files = next((tmp_path / "run").glob("wandb/offline-run-*/files"))
    (table,) = (json.loads(path.read_text()) for path in files.rglob("*.table.json"))
    assert {row[3] for row in table["data"]} == {3}
    assert "nodule" not in json.dumps(table)
    assert not [*files.rglob("*.png")]
