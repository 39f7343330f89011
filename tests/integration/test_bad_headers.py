"""Headers that lie, through the real command: each costs its own case, is named, and nothing else."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agg2exp.domain.case import Grid
from tests.helpers import cases
from tests.helpers.headers import stored
from tests.helpers.runs import run

GRID = cases.scan_grid()
FIELDS = {
    "not a number": {"srow_x": [np.nan, 0, 0, 0]},
    "voxels": {"srow_x": [220, 0, 0, 0], "srow_y": [0, 220, 0, 0], "srow_z": [0, 0, 220, 0], "dim": [3, 12, 1, 1]},
    "start": {"vox_offset": 0},
    "endless": {"vox_offset": np.inf},
    "micrometres": {"xyzt_units": 3},
    "absurd": {"dim": [3, 30000, 30000, 30000]},
}


def scan(path: Path, **fields: object) -> None:
    if "dim" in fields:
        fields["dim"] = [*fields["dim"], 1, 1, 1, 1]  # type: ignore[misc]
    hu = cases.hounsfield(cases.world(GRID)).astype(np.int16)
    plain = stored(path.with_name("scan.nii"), hu, GRID, qform_code=0, **fields)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = [name.replace(" ", "_") for name in FIELDS]
    cases.write_data_set(tmp_path / "data", dict.fromkeys(["good", *names, "metres", "last"], "test"))
    for name, fields in FIELDS.items():
        scan(tmp_path / "data" / name.replace(" ", "_") / "ct.nii.gz", **fields)
    metres = Grid(GRID.shape, np.diag([1e-3, 1e-3, 1e-3, 1]) @ GRID.affine)
    for path in (tmp_path / "data/metres").rglob("*.nii.gz"):
        volume = np.asarray(cases.nib.load(path).dataobj)
        plain = stored(path.with_name("x.nii"), volume, metres, xyzt_units=1)
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    cases.write_toy_model(tmp_path / "conf")
    return tmp_path


def explain(folder: Path, *overrides: str) -> int:
    return run("explain", [*cases.toy_job(folder), "callbacks=tables", *overrides], folder / "run").code


def test_each_costs_its_own_case_and_the_others_are_explained(folder: Path):
    assert explain(folder, "dry_run=true") == 0
    assert explain(folder) == 1
    failures = pd.read_csv(folder / "run/failures.csv", index_col="case_id").error
    assert set(failures.index) == {name.replace(" ", "_") for name in FIELDS}
    for name, word in {
        "not_a_number": "affine",
        "voxels": "voxel_mm",
        "start": "vox_offset",
        "endless": "vox_offset",
        "micrometres": "data.limits.extent_mm",
        "absurd": "data.limits",
    }.items():
        assert word in failures[name], name
    table = pd.read_parquet(folder / "run/tables/roi_importance.parquet")
    assert set(table["case"].unique()) == {"good", "metres", "last"}


def test_a_scan_and_masks_in_metres_are_the_same_scan(folder: Path):
    assert explain(folder, "data.cases=[good,metres]") == 0
    table = pd.read_parquet(folder / "run/tables/roi_importance.parquet").query("target == 'heart'")
    volumes = table.groupby("case").volume_mm3.sum()
    assert volumes["metres"] == volumes["good"] == pytest.approx(72 * 60 * 54, rel=0.15)  # the scan, at 6 mm
    dice = pd.read_parquet(folder / "run/tables/segmentation.parquet").set_index(["case", "class"]).dice
    assert dice["metres", "heart"] == pytest.approx(dice["good", "heart"], abs=0.02)  # the same masks, noise apart
