"""How much work lies ahead is told before it is done."""

import re
from pathlib import Path

import pandas as pd

from tests.helpers.runs import Tiny, run

WORDS = ["attribution=smoothgrad", "metric=complexity", "callbacks=tables", "classes=[heart,aorta,background]"]


def test_dry_run_tells_the_passes_of_the_run_and_does_nothing(tiny: Tiny, tmp_path: Path):
    words = tiny.explain(*WORDS, "inference.overlap=0.5")
    assert run("explain", [*words, "dry_run=true"], tmp_path / "dry").code == 0
    assert {path.name for path in (tmp_path / "dry").iterdir()} == {".hydra", "explain.log"}
    told = (tmp_path / "dry" / "explain.log").read_text()
    found = re.search(r"3 cases .* most (\d+) evaluations .* (\d+) of them .*: ([\d,]+) .*forwards and ([\d,]+)", told)
    assert found, told
    evaluations, gradients, forwards, backwards = (int(text.replace(",", "")) for text in found.groups())
    assert (evaluations, gradients) == (3, 2)  # the prediction, and two noisy copies

    assert run("explain", words, tmp_path / "run").code == 0
    assert "evaluations of the image" not in (tmp_path / "run" / "explain.log").read_text()  # too short to be worth it
    timings = pd.read_parquet(tmp_path / "run" / "tables" / "timings.parquet")
    windows = forwards / evaluations
    assert timings["window_forwards"].sum() <= 1.2 * forwards  # volumes of other cases are known to the voxel only
    assert timings["window_forwards"].sum() >= 0.8 * forwards - windows  # untouched windows are not evaluated
    assert timings["window_backwards"].sum() <= 1.2 * backwards


def test_report_says_what_it_needs(tmp_path: Path, capsys):
    assert run("report", [f"runs={tmp_path / 'nothing'}"], tmp_path / "a").code == 1
    assert "expected folders of finished runs or sweeps" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run("report", [f"runs={tmp_path / 'empty'}"], tmp_path / "b").code == 1
    assert "expected runs with evaluation metrics (metric=paper, for example), got none" in capsys.readouterr().err
