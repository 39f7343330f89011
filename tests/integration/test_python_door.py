"""Explaining from Python: the numbers of the command line, and its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

import agg2exp
from agg2exp.attribution import IntegratedGradients, SmoothGrad
from agg2exp.cli.segmentation_model import trained_model
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.store.nifti import read_volume
from agg2exp.supervoxels import Cubes
from tests.helpers.runs import CASES, Finished, Tiny, composed, run

CLASSES = ["heart", "aorta", "thyroid_gland"]
SAME = ["data=folder", 'data.layout.images="{case}/ct.nii.gz"', "data.merge={}", "data.split=null", "data.limit=null"]


@pytest.fixture(scope="module")
def model(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> SegmentationModel:
    with composed("explain", tiny.explain(), tmp_path_factory.mktemp("model")) as config:
        return trained_model(config)


def explained_by_python(model: SegmentationModel, tiny: Tiny, **options: object) -> agg2exp.Result:
    scan = tiny.root / "s0003" / "ct.nii.gz"
    result = agg2exp.explain(model, scan, SmoothGrad(n_samples=2), CLASSES, show_progress=False, id="s0003", **options)
    assert isinstance(result, agg2exp.Result)
    return result


def test_python_gives_the_numbers_of_the_command_line(
    explained: Finished, model: SegmentationModel, tiny: Tiny, tmp_path: Path
) -> None:
    result = explained_by_python(model, tiny)
    table = pd.read_parquet(explained.output / "tables" / "roi_importance.parquet").query("case == 's0003'")
    theirs = table.set_index(["target", "source"]).drop(columns="case")
    for (target, source), row in theirs.iterrows():
        if source in model.labels.classes:
            ours = result.importance.sel(target=target, source=source).to_series()[row.index]
            np.testing.assert_array_equal(ours.to_numpy(), row.to_numpy(dtype=float))
    map_, _ = read_volume(result.attribution("heart").to_nifti(tmp_path / "heart.nii.gz"))
    written, _ = read_volume(explained.output / "volumes" / "s0003" / "attribution_heart.nii.gz")
    np.testing.assert_array_equal(map_, written)
    with pytest.raises(SettingError, match=r"ends in \.nii\.gz"):
        result.attribution("heart").to_nifti(tmp_path / "heart.txt")
    predicted, _ = read_volume(explained.output / "volumes" / "s0003" / "prediction.nii.gz")
    np.testing.assert_array_equal(result.region("heart"), predicted == model.labels.classes.index("heart"))


def test_a_saved_run_is_the_run_of_the_command_line(model: SegmentationModel, tiny: Tiny, tmp_path: Path) -> None:
    scans = {case: tiny.root / case / "ct.nii.gz" for case in CASES}
    results = agg2exp.explain(
        model, [agg2exp.GivenCase(path, case) for case, path in scans.items()], "vanilla_gradient", CLASSES,
        show_progress=False,
    )  # fmt: skip
    saved = results.save(tmp_path / "python")
    words = tiny.explain(*SAME, "attribution=vanilla_gradient")
    chosen = [*words, f"classes=[{','.join(CLASSES)}]", "callbacks=tables", f"data.cases=[{','.join(CASES)}]"]
    theirs = run("explain", chosen, tmp_path / "command")
    assert theirs.code == 0
    for name in ("roi_importance", "global_importance", "segmentation"):
        ours = pd.read_parquet(saved / "tables" / f"{name}.parquet")
        pd.testing.assert_frame_equal(
            ours, pd.read_parquet(theirs.output / "tables" / f"{name}.parquet"), rtol=0, atol=0
        )

    assert run("explain", [*chosen, f"resume={saved}"], saved).code == 0
    assert "3 of 3 cases are finished already" in (saved / "explain.log").read_text()
    assert run("analyze", [f"runs={saved}", "images=false"], tmp_path / "analysis").code == 0
    assert (tmp_path / "analysis" / "analysis.md").is_file()


def test_a_result_shows_its_strongest_regions(model: SegmentationModel, tiny: Tiny) -> None:
    result = explained_by_python(model, tiny)
    lines = repr(result).splitlines()
    assert lines[0].startswith("s0003: 3 classes explained in ")
    assert "%" in lines[1]
    assert "absent from the prediction" in lines[3]
    assert result.plot().axes


def test_methods_scores_and_supervoxels_may_be_names_or_objects(model: SegmentationModel, tiny: Tiny) -> None:
    scan = tiny.root / "s0003" / "ct.nii.gz"
    settings = {"coalitions": 12}
    named = agg2exp.explain(
        model, scan, "kernel_shap", "heart", show_progress=False, supervoxels="semantic", score="margin",
        settings=settings,
    )  # fmt: skip
    cubes = agg2exp.explain(
        model, scan, "kernel_shap", "heart", show_progress=False, supervoxels=Cubes(8), settings=settings,
        metrics="complexity",
    )  # fmt: skip
    assert named.stored.supervoxels is not None
    assert cubes.stored.supervoxels is not None
    assert len(cubes.stored.supervoxels.voxels) == 8
    assert list(cubes.stored.metrics) == ["complexity"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metod": "smoothgrad"}, "metod"),
        ({"method": "smothgrad"}, "smothgrad"),
        ({"classes": ["hart"]}, "hart"),
        ({"score": "summ"}, "summ"),
        ({"supervoxels": Cubes(8)}, "takes no supervoxels"),
        ({"settings": {"noisy_kopies": 3}}, "noisy_kopies"),
        ({"settings": {"attribution.n_sampels": 3}}, "n_sampels"),
        ({"settings": {"model.windows.overlap": 0.5}}, "model.windows.overlap"),
        ({"settings": {"seed": 3}}, "settings: expected one of"),
        ({"settings": {"score": "margin"}}, "settings: expected one of"),
        ({"settings": ["noisy_copies"]}, "a dictionary"),
        ({"method": SmoothGrad(2), "settings": {"noisy_copies": 3}}, "method is an object"),
        ({"method": SmoothGrad(2), "supervoxels": "cubes"}, "has its own"),
        ({"method": IntegratedGradients(2), "baseline": "ones"}, "has its own"),
        ({"method": SmoothGrad}, "a Attributor"),
        ({"method": None}, "method: expected one of 'captum'"),
        ({"method": "../attribution/smoothgrad"}, "method: expected one of 'captum'"),
        ({"score": None}, "a Score"),
        ({"metrics": ["complexity"]}, "metrics: expected the name of a YAML"),
        ({"classes": None}, "classes: expected 'all'"),
        ({"device": "gpu"}, "device: expected a device"),
        ({"image": []}, "at least one scan"),
        ({"image": [agg2exp.GivenCase("a.nii.gz")], "id": "a"}, "left out for several scans"),
        ({"model": "nowhere.yaml"}, "nowhere.yaml"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, object], said: str, model: SegmentationModel, tiny: Tiny) -> None:
    call = {"model": model, "image": tiny.root / "s0003" / "ct.nii.gz", "show_progress": False, **options}
    with pytest.raises(SettingError, match=said):
        agg2exp.explain(**call)


def test_one_bad_scan_of_several_costs_itself_alone(
    model: SegmentationModel, tiny: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bad.nii.gz").write_bytes(b"no scan")
    good = tiny.root / "s0003" / "ct.nii.gz"
    results = agg2exp.explain(model, [tmp_path / "bad.nii.gz", good], "vanilla_gradient", "heart", show_progress=False)
    assert len(results) == 1
    assert list(results.failures) == ["bad"]
    assert "bad.nii.gz" in caplog.text
    with pytest.raises(CaseError, match="no scan could be explained"):
        agg2exp.explain(model, [tmp_path / "bad.nii.gz"], "vanilla_gradient", "heart", show_progress=False)


def test_a_folder_with_other_things_is_left_alone(model: SegmentationModel, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(SettingError, match="folder"):
        explained_by_python(model, tiny).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_importing_the_package_imports_no_heavy_library() -> None:
    code = "import sys, agg2exp; print({'torch', 'hydra', 'lightning', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_explaining_imports_no_lightning() -> None:
    code = "import sys, agg2exp; agg2exp.explain; print({'lightning', 'wandb'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_two_scans_of_one_id_are_refused_before_anything_is_computed(model: SegmentationModel, tiny: Tiny) -> None:
    array = np.zeros((9, 9, 9), dtype=np.float32)
    with pytest.raises(SettingError, match="each id once"):
        agg2exp.explain(model, [array, array], "vanilla_gradient", show_progress=False)


def test_a_saved_run_keeps_what_it_has(model: SegmentationModel, tiny: Tiny, tmp_path: Path) -> None:
    folder = explained_by_python(model, tiny).save(tmp_path / "run")
    before = {path: path.read_bytes() for path in [*sorted(folder.rglob("*.parquet")), folder / "config.yaml"]}
    scan = tiny.root / "s0002" / "ct.nii.gz"
    others = [
        explained_by_python(model, tiny, score="margin"),
        agg2exp.explain(model, scan, SmoothGrad(n_samples=3), CLASSES, show_progress=False, id="other"),
        agg2exp.explain(model, scan, SmoothGrad(n_samples=2), CLASSES, show_progress=False, id="s0003"),
    ]
    for other in others:
        with pytest.raises(SettingError, match="a run that case"):
            other.save(folder)
    assert [path.stem for path in (folder / "cases").glob("*.safetensors")] == ["s0003"]
    assert {path: path.read_bytes() for path in before} == before
    same = agg2exp.explain(model, scan, SmoothGrad(n_samples=2), CLASSES, show_progress=False, id="s0002")
    assert set(pd.read_parquet(same.save(folder) / "tables/roi_importance.parquet")["case"]) == {"s0002", "s0003"}


def test_what_a_case_has_cannot_be_given_beside_it(model: SegmentationModel, tiny: Tiny) -> None:
    given = agg2exp.GivenCase(tiny.root / "s0003" / "ct.nii.gz")
    case = given.read(model.preprocessing, model.labels)
    for scan in (given, case):
        with pytest.raises(SettingError, match="regions: expected left out"):
            agg2exp.explain(model, scan, "vanilla_gradient", "heart", show_progress=False, regions={"a": case.image})


def test_a_missing_scan_of_several_costs_itself_alone(model: SegmentationModel, tiny: Tiny) -> None:
    scans = [tiny.root / "s0003" / "ct.nii.gz", "nowhere.nii.gz"]
    results = agg2exp.explain(model, scans, "vanilla_gradient", "heart", show_progress=False)
    assert list(results.failures) == ["nowhere"]


def test_a_hydra_application_that_is_under_way_goes_on(model: SegmentationModel, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("a: 1")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        explained_by_python(model, tiny)
        assert compose("mine") == {"a": 1}
