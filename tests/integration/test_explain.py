"""`agg2exp explain` on three phantoms: what it writes, that it repeats itself exactly, and how it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.store.case_store import CaseStore
from tests.helpers.runs import ABSENT, CASES, ONE_CASE, Finished, Tiny, run

TARGETS = ["heart", "aorta", ABSENT]
REPEATABLE = ["roi_importance", "segmentation", "global_importance"]


def table(finished: Finished, name: str) -> pd.DataFrame:
    return pd.read_parquet(finished.output / "tables" / f"{name}.parquet")


# --- what a run writes ---------------------------------------------------------------------------


def test_rows_sum_to_one_and_absent_classes_are_nan(explained: Finished):
    rows = table(explained, "roi_importance")
    assert list(pd.unique(rows["case"])) == CASES
    assert list(pd.unique(rows["target"])) == TARGETS
    extra = rows["source"].isin(["consolidation", "pleural_effusion"])  # they overlap the classes
    sums = rows[~extra].groupby(["case", "target"])["importance"].sum(min_count=1)
    np.testing.assert_allclose(sums.xs("heart", level="target"), 1, atol=1e-12)
    np.testing.assert_allclose(sums.xs("aorta", level="target"), 1, atol=1e-12)
    assert sums.xs(ABSENT, level="target").isna().all()


def test_segmentation_says_what_was_explained(explained: Finished):
    rows = table(explained, "segmentation").set_index(["case", "class"])
    assert rows.loc[(CASES[0], "heart"), "explained"] == "ok"
    assert rows.loc[(CASES[0], ABSENT), "explained"] == "absent from the prediction"
    assert rows.loc[(CASES[0], "ribs"), "explained"] == "not asked for"
    assert rows.loc[(CASES[0], ABSENT), "predicted_voxels"] == 0


def test_global_importance_is_the_mean_over_cases(explained: Finished):
    local, overall = table(explained, "roi_importance"), table(explained, "global_importance")
    expected = local.groupby(["target", "source"])["importance"].mean()
    found = overall[overall["kind"] == "importance"].set_index(["target", "source"])
    np.testing.assert_allclose(found["mean"].reindex(expected.index), expected, rtol=1e-12)
    assert (found.loc["heart", "count"].drop(["consolidation", "pleural_effusion"]) == len(CASES)).all()
    assert (found.loc[ABSENT, "count"] == 0).all()


def test_volumes_lie_on_the_grid_of_the_scan(explained: Finished, tiny: Tiny):
    for case in CASES:
        scan = nib.load(tiny.root / case / "ct.nii.gz")
        for name in ("prediction", "attribution_heart"):
            volume = nib.load(explained.output / "volumes" / case / f"{name}.nii.gz")
            assert volume.shape == scan.shape
            np.testing.assert_allclose(volume.affine, scan.affine)
    assert not list((explained.output / "volumes").rglob("attribution_aorta*"))


def test_pictures_of_the_first_case_and_over_all_cases(explained: Finished):
    figures = explained.output / "figures"
    assert {p.name for p in figures.glob("*.png")} == {"heat_map.png", "graph.png"}
    assert {str(p.relative_to(figures / "slices")) for p in figures.rglob("slices/*/*")} == {
        f"{CASES[0]}/heart.png",
        f"{CASES[0]}/aorta.png",
    }


def test_run_folder_says_what_it_was_made_with(explained: Finished, tiny: Tiny):
    environment = json.loads((explained.output / "environment.json").read_text())
    assert environment["device"] == "cpu"
    assert environment["packages"]["torch"] != "not installed"
    config = (explained.output / "config.yaml").read_text()
    assert str(tiny.weights) in config
    assert "${" not in config
    settings = CaseStore(explained.output).read(CASES[0]).settings
    assert settings["method"] == "smoothgrad"
    assert settings["attribution: n_samples"] == "2"
    assert settings["regions"] == "prediction"
    assert settings["module"] == "usual"
    assert not (explained.output / "failures.csv").exists()


def test_run_can_be_repeated_from_its_own_config(explained: Finished, tiny: Tiny, tmp_path: Path):
    arguments = ["--config-dir", str(explained.output), "--config-name", "config", f"paths.output={tmp_path}"]
    own = ["callbacks.slices=null", "callbacks.volumes=null", "collect.pictures=false"]
    moved = [f"callbacks.{name}.output={tmp_path}" for name in ("failures", "roi_importance")]
    finished = run("explain", [*arguments, *own, *moved, "hydra.output_subdir=null", "logger.csv=null"], tmp_path)
    assert finished.code == 0
    pd.testing.assert_frame_equal(table(finished, "roi_importance"), table(explained, "roi_importance"))


# --- the same again, exactly ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_by_one(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """The same settings over other sets and orders of cases."""
    a, b, c = CASES
    runs = {}
    for order in ([a, b, c], [c, a], [b], [a, b, c]):
        name = "".join(order) + ("again" if "".join(order) in runs else "")
        chosen = ["classes=[heart,aorta]", "callbacks=tables", f"data.cases=[{','.join(order)}]"]
        runs[name] = run("explain", tiny.explain(*chosen), tmp_path_factory.mktemp(name))
        assert runs[name].code == 0
    return runs


def test_result_of_a_case_does_not_depend_on_the_others(one_by_one: dict[str, Finished]):
    a, b, c = CASES
    together = CaseStore(one_by_one[a + b + c].output)
    for case, other in ((c, c + a), (a, c + a), (b, b)):
        expected, found = together.read(case), CaseStore(one_by_one[other].output).read(case)
        for kind, values in expected.importance.values.items():
            assert values.tobytes() == found.importance.values[kind].tobytes(), kind
        assert expected.dice.tobytes() == found.dice.tobytes()
        assert expected.settings == found.settings


def test_tables_are_sorted_by_case(one_by_one: dict[str, Finished]):
    a, _, c = CASES
    assert list(pd.unique(table(one_by_one[c + a], "roi_importance")["case"])) == [a, c]


def test_two_runs_write_the_same_bytes(one_by_one: dict[str, Finished]):
    first, second = (one_by_one["".join(CASES) + again].output / "tables" for again in ("", "again"))
    for name in REPEATABLE:
        content = (first / f"{name}.parquet").read_bytes()
        assert content == (second / f"{name}.parquet").read_bytes(), name
        assert str(first.parent).encode() not in content


def test_times_stay_in_a_table_of_their_own(one_by_one: dict[str, Finished]):
    finished = one_by_one["".join(CASES)]
    assert "seconds" in table(finished, "timings").columns
    for name in REPEATABLE:
        assert not [c for c in table(finished, name).columns if "second" in c or "time" in c or "path" in c]


def test_seed_changes_the_noise(one_by_one: dict[str, Finished], tiny: Tiny, tmp_path: Path):
    chosen = ["classes=[heart,aorta]", "callbacks=tables", f"data.cases=[{CASES[0]}]", "seed=1"]
    other = run("explain", tiny.explain(*chosen), tmp_path)
    mine, others = (table(f, "roi_importance") for f in (one_by_one["".join(CASES)], other))
    assert not np.allclose(mine["mass"][: len(others)], others["mass"], rtol=1e-6, equal_nan=True)


# --- other settings ------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["mean", "median", "margin", "probability"])
def test_other_scores(score: str, tiny: Tiny, tmp_path: Path):
    finished = run("explain", tiny.explain(*ONE_CASE, f"score={score}"), tmp_path)
    assert finished.code == 0
    assert CaseStore(tmp_path).read(CASES[0]).settings["score"] == score


def test_regions_from_labels(tiny: Tiny, tmp_path: Path):
    finished = run("explain", tiny.explain(*ONE_CASE, "regions=label"), tmp_path)
    assert finished.code == 0
    sources = table(finished, "roi_importance").set_index(["target", "source"])["volume_voxels"]["heart"]
    assert sources[ABSENT] > 0  # annotated, though never predicted


def test_loggers(tiny: Tiny, tmp_path: Path):
    assert run("explain", tiny.explain(*ONE_CASE, "logger=csv"), tmp_path / "csv").code == 0
    assert run("explain", tiny.explain(*ONE_CASE, "logger=none"), tmp_path / "none").code == 0
    metrics = pd.read_csv(tmp_path / "csv" / "metrics" / "metrics.csv")
    assert metrics["cases"].item() == 1
    assert metrics["window_forwards"].item() > 0
    assert not (tmp_path / "none" / "metrics").exists()


# --- wrong arguments -----------------------------------------------------------------------------

CLASSES = "'all' or a list without repeats from ['background', 'aorta',"
WRONG = [
    ("model.windows.overlap=1.5", "model.windows.overlap: expected a number of at least 0 and below 1, got 1.5."),
    ("model.windows.blending=foo", "model.windows.blending: expected one of 'constant', 'gaussian', got 'foo'."),
    ("model.windows.size=[8,8]", "model.windows.size: expected three whole numbers [D, H, W], got [8, 8]."),
    ("attribution.n_samples=0", "attribution.n_samples: expected a whole number of at least 1, got 0."),
    ("classes=[spleen]", f"agg2exp: classes: expected {CLASSES}"),
    ("classes=spleen", "'costal_cartilages'], got ['spleen']."),
    ("regions=foo", "agg2exp: regions: expected one of 'prediction', 'label', got 'foo'."),
    ("seed=foo", "seed: expected a whole number, got 'foo'."),
    ("supervoxels=cubes", "supervoxels: expected none, got 'agg2exp.supervoxels.Cubes'. attribution=smoothgrad"),
    ("model.weights=nowhere.safetensors", "model.weights: expected an existing file, got 'nowhere.safetensors'."),
    ("model.weights=null", "model.weights: expected a weights file, got None."),
    ("model.weights=shipped:foo", "Shipped are ["),
    ("model.network.out_channels=5", "model.weights: "),
    ("model.preprocessing.intensity.low=-500", 'Window(low=-1024.0, high=1024.0)", configured "Window(low=-500.0'),
    ("data.split=nope", "data.split: expected a split with cases;"),
    ("data.cases=[foo]", "data.cases: expected ids of"),
    ("data.limit=0", "data.limit: expected a whole number of at least 1, got 0."),
    ("callbacks.slices.classes=[foo]", f"callbacks.slices.classes: expected {CLASSES}"),
    ("callbacks.volumes.attribution=[foo]", f"callbacks.volumes.attribution: expected {CLASSES}"),
    ("callbacks.slices.top_fraction=2", "callbacks.slices.top_fraction: expected a number of at least 0 and at most 1"),
    ("+module.foo=1", "module: ExplanationModule.__init__() got an unexpected keyword argument 'foo'"),
    ("+attribution.foo=1", "attribution: SmoothGrad.__init__() got an unexpected keyword argument 'foo'"),
    ("module._target_=nowhere.Module", "Error locating target 'nowhere.Module'"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[wrong for wrong, _ in WRONG])
def test_wrong_value_is_named_with_what_is_allowed(
    wrong: str, message: str, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = [*tiny.explain(), wrong]
    finished = run("explain", arguments, tmp_path)
    said = capsys.readouterr().err
    assert finished.code == 1
    assert message in said
    assert "Traceback" not in said


def test_data_of_totalsegmentator_without_a_folder(tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    finished = run("explain", [*tiny.explain("data=totalsegmentator"), "data.root=/nowhere"], tmp_path)
    said = capsys.readouterr().err
    assert finished.code == 1
    assert "root: expected a folder with meta.csv (TotalSegmentator v2 layout), got '/nowhere'" in said
    assert "Traceback" not in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_missing_device_is_told_without_traceback(tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    finished = run("explain", [*tiny.explain(), "trainer.accelerator=gpu"], tmp_path)
    said = capsys.readouterr().err
    assert finished.code == 1
    assert "agg2exp: trainer: " in said
    assert "Traceback" not in said


def test_unknown_override_is_hydras_own_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run("explain", ["nonsense=1"], tmp_path).code == 1
    said = capsys.readouterr().err
    assert "Could not override 'nonsense'." in said
    assert "To append to your config use +nonsense=1" in said


def test_unknown_option_lists_the_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run("explain", ["score=foo"], tmp_path).code == 1
    said = capsys.readouterr().err
    assert "Could not find 'score/foo'" in said
    for option in ("margin", "mean", "median", "probability", "sum"):
        assert f"\t{option}\n" in said


def test_cfg_job_prints_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run("explain", ["--cfg", "job", "score=mean"], tmp_path).code == 0
    said = capsys.readouterr().out
    assert "_target_: agg2exp.scores.MeanScore" in said
    assert "_target_: agg2exp.attribution.SmoothGrad" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_itself(tiny: Tiny, tmp_path: Path):
    """In a process of its own, as a user types it: exit status and message."""
    command = [sys.executable, "-m", "agg2exp", "explain", *tiny.explain(*ONE_CASE), f"output={tmp_path}/run"]
    done = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 cases explained." in done.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"run"}
    assert (tmp_path / "run" / "explain.log").is_file()
