"""Scans of cases that a run explained, from the places that its results name; its configuration is data."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from agg2exp.cli.data_sets import read_data_sets
from agg2exp.cli.scans import read_scan
from agg2exp.domain.errors import DataError
from agg2exp.domain.files import MaskFile, Origin
from agg2exp.domain.labels import Labels
from agg2exp.report.data_set import DataSet
from agg2exp.store.case_store import CaseStore
from agg2exp.store.digests import file_digest
from tests.helpers import cases
from tests.helpers.stored_runs import stored_run

CASE = "c00000"
CALLS = (
    {"_target_": "pathlib.Path.touch", "_args_": ["{canary}"]},
    {"_target_": "agg2exp.store.atomic.Path.touch", "_args_": ["{canary}"]},
    {"_target_": "agg2exp.data.reading.masks.read_label_map", "case_id": "x", "path": "{canary}", "native": None},
    r"\${canary:{canary}}",
    "${canary:{canary}}",
    r"${oc.create:\{_target_: pathlib.Path.touch, _args_: ['{canary}']\}}",
)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A run of one case whose scan, annotation and prediction are there."""
    run, scans = stored_run(tmp_path / "run", n=1), cases.write_data_set(tmp_path / "data", {CASE: "test"})
    image = scans / CASE / "ct.nii.gz"
    masks = (image.parent / "segmentations").iterdir()
    annotation = {path.name.removesuffix(".nii.gz"): (MaskFile(path),) for path in masks}
    store = CaseStore(run)
    store.write(replace(store.read(CASE), origin=Origin(file_digest(image), (image,), annotation)))
    grid = cases.scan_grid()
    cases.write_nifti(run / "volumes" / CASE / "prediction.nii.gz", np.ones(grid.shape, np.uint8), grid)
    return run


def data_set(run: Path) -> DataSet:
    (data,) = read_data_sets(str(run), labels=None)
    return data


def told(call: object, canary: Path) -> object:
    """The call with the place of the canary in it."""
    if isinstance(call, dict):
        return {key: told(value, canary) for key, value in call.items()}
    if isinstance(call, list):
        return [told(value, canary) for value in call]
    return call.replace("{canary}", str(canary)) if isinstance(call, str) else call


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("nested", [lambda x: x, lambda x: {"a": x}, lambda x: [x], lambda x: [{"a": [[x]]}]])
def test_nothing_that_the_configuration_of_a_run_names_is_called(stored: Path, call: object, nested):
    canary = stored.parent / "canary"
    OmegaConf.register_new_resolver("canary", lambda path: Path(path).touch(), replace=True)
    config = OmegaConf.to_container(OmegaConf.load(stored / "config.yaml"))
    call = nested(told(call, canary))
    config["data"] = {"_target_": "agg2exp.run.datamodule.CaseDataModule", "root": call, "split": call, "layout": call}
    config |= {"attribution": call, "score": call}
    (stored / "config.yaml").write_text(json.dumps(config))
    scan = read_scan(data_set(stored), CASE, "heart")
    assert scan.shown.image[0].shape == scan.predicted.shape
    assert not canary.exists()


def test_scan_annotation_and_prediction_are_shown(stored: Path):
    scan = read_scan(data_set(stored), CASE, "heart")
    assert scan.annotated is not None and scan.annotated.shape == scan.shown.image[0].shape
    assert scan.annotated.any() and not scan.annotated.all() and not scan.predicted.any()
    assert scan.attribution is None
    assert read_scan(data_set(stored), CASE, "aorta").predicted.all()
    joined = replace(data_set(stored), join={"vessels": ["aorta", "heart"]})
    vessels = read_scan(joined, CASE, "vessels")
    assert vessels.predicted.all() and vessels.annotated is not None
    assert (vessels.annotated >= scan.annotated).all() and vessels.annotated.sum() > scan.annotated.sum()


def test_masks_of_regions_that_may_overlap_are_files_of_their_own(stored: Path):
    classes, grid = ("heart", "aorta"), cases.scan_grid()
    apart = read_scan(data_set(stored), CASE, "heart").annotated
    data = replace(data_set(stored), labels=Labels(classes, "sigmoid"))
    (stored / "volumes" / CASE / "prediction.nii.gz").unlink()
    with pytest.raises(DataError, match=r"expected its prediction at .*prediction_heart\.nii\.gz, got none"):
        read_scan(data, CASE, "heart")
    for name, value in zip(classes, (1, 0), strict=True):
        volume = np.full(grid.shape, value, np.uint8)
        cases.write_nifti(stored / "volumes" / CASE / f"prediction_{name}.nii.gz", volume, grid)
    heart, aorta = (read_scan(data, CASE, name) for name in classes)
    assert heart.predicted.all() and not aorta.predicted.any()
    assert apart is not None and heart.annotated is not None
    assert (heart.annotated >= apart).all() and heart.annotated.sum() > apart.sum()  # with what the lung has of it


def test_another_scan_in_the_place_of_the_explained_one_is_not_shown(stored: Path):
    (data,) = [data_set(stored)]
    image = stored.parent / "data" / CASE / "ct.nii.gz"
    hu = np.zeros(cases.scan_grid().shape, np.int16)
    cases.write_nifti(image, hu, cases.scan_grid())
    with pytest.raises(DataError, match=r"expected the scan that the run explained at .*ct\.nii\.gz, got another one"):
        read_scan(data, CASE, "heart")
    image.unlink()
    with pytest.raises(DataError, match=r"expected its scan at .*ct\.nii\.gz, got none"):
        read_scan(data, CASE, "heart")


def test_runs_of_earlier_versions_say_that_they_did_not_keep_where_scans_lie(stored: Path):
    store = CaseStore(stored)
    store.write(replace(store.read(CASE), origin=None))
    with pytest.raises(DataError, match="made by an earlier version, which did not keep where its scan lies"):
        read_scan(data_set(stored), CASE, "heart")


def test_a_result_that_is_gone_or_damaged_is_named(stored: Path):
    data = data_set(stored)
    CaseStore(stored).path(CASE).write_bytes(b"broken")
    with pytest.raises(DataError, match=f"case {CASE}: its scan cannot be read again: .*no readable result"):
        read_scan(data, CASE, "heart")
    shutil.rmtree(stored / "cases")
    with pytest.raises(DataError, match=f"case {CASE}: there are no scans beside the runs"):
        read_scan(data, CASE, "heart")
