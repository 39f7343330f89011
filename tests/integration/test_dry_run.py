"""How much work lies ahead is told before it is done."""

import re
from pathlib import Path

import pandas as pd

from tests.helpers.runs import Tiny, run

WORDS = ["attribution=smoothgrad", "metric=complexity", "callbacks=tables", "classes=[heart,aorta,background]"]


def test_dry_run_tells_the_passes_of_the_run_and_does_nothing(tiny: Tiny, tmp_path: Path):
    words = tiny.explain(*WORDS, "model.windows.overlap=0.5")
    assert run("explain", [*words, "dry_run=true"], tmp_path / "dry").code == 0
    assert {path.name for path in (tmp_path / "dry").iterdir()} == {".hydra", "explain.log"}
    evaluations, gradients, forwards, backwards = told_in(tmp_path / "dry" / "explain.log")
    assert "3 cases" in (tmp_path / "dry" / "explain.log").read_text()
    assert (evaluations, gradients) == (3, 2)  # the prediction, and two noisy copies

    assert run("explain", words, tmp_path / "run").code == 0
    assert "evaluations of the image" not in (tmp_path / "run" / "explain.log").read_text()  # too short to be worth it
    timings = pd.read_parquet(tmp_path / "run" / "tables" / "timings.parquet")
    windows = forwards / evaluations
    assert timings["window_forwards"].sum() <= 1.2 * forwards  # volumes of other cases are known to the voxel only
    assert timings["window_forwards"].sum() >= 0.8 * forwards - windows  # untouched windows are not evaluated
    assert timings["window_backwards"].sum() <= 1.2 * backwards


def told_in(log: Path) -> tuple[int, ...]:
    """Evaluations, gradients, window forwards and backwards of an estimate."""
    pattern = r"most (\d+) evaluations .* (\d+) of them .*: ([\d,]+) .*forwards and ([\d,]+)"
    found = re.search(pattern, log.read_text())
    assert found, log.read_text()
    return tuple(int(text.replace(",", "")) for text in found.groups())


def test_recomputed_masks_take_a_pass_more_for_every_image_that_is_differentiated(tiny: Tiny, tmp_path: Path):
    words = tiny.explain(*WORDS, "mask_policy=recomputed", "data.limit=1")
    assert run("explain", [*words, "dry_run=true"], tmp_path / "dry").code == 0
    evaluations, gradients, forwards, _ = told_in(tmp_path / "dry" / "explain.log")
    assert (evaluations, gradients) == (5, 2)
    assert run("explain", words, tmp_path / "run").code == 0
    timings = pd.read_parquet(tmp_path / "run" / "tables" / "timings.parquet")
    assert timings["window_forwards"].sum() <= forwards


def test_a_long_run_is_preceded_by_its_estimate(tiny: Tiny, tmp_path: Path):
    words = tiny.explain("attribution=smoothgrad", "attribution.n_samples=101", "callbacks=tables", "data.limit=1")
    assert run("explain", [*words, "classes=[heart]"], tmp_path / "run").code == 0
    evaluations, gradients, forwards, backwards = told_in(tmp_path / "run" / "explain.log")
    assert (evaluations, gradients) == (102, 101)
    timings = pd.read_parquet(tmp_path / "run" / "tables" / "timings.parquet")
    assert timings["window_forwards"].sum() <= forwards and timings["window_backwards"].sum() <= backwards


def test_what_only_the_image_tells_is_said_to_be_missing(tiny: Tiny, tmp_path: Path):
    words = ["attribution=captum", "attribution.method=FeatureAblation", "supervoxels=cubes", "callbacks=tables"]
    assert run("explain", [*tiny.explain(*words), "dry_run=true"], tmp_path).code == 0
    assert "many more, as the method evaluates images for every feature" in (tmp_path / "explain.log").read_text()


def test_report_says_what_it_needs(tmp_path: Path, capsys):
    assert run("report", [f"runs={tmp_path / 'nothing'}"], tmp_path / "a").code == 1
    assert "expected folders of finished runs or sweeps" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run("report", [f"runs={tmp_path / 'empty'}"], tmp_path / "b").code == 1
    assert "expected runs with evaluation metrics (metric=paper, for example), got none" in capsys.readouterr().err
