"""Reading one case: everything on one grid, and a clear word for each file that is bad."""

import gzip
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from agg2exp.data.case_dataset import CaseDataset
from agg2exp.domain.case import Case, Failure, Grid
from agg2exp.domain.files import MaskFile
from tests.helpers import cases
from tests.helpers.headers import stored

EXTRA = {"nodule": "{case}/extra/nodule.nii.gz", "effusion": "{case}/extra/effusion.nii.gz"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return cases.write_data_set(tmp_path / "data", {"good": "test", "bad": "test"})


def dataset(root: Path, label_map: str | None = None) -> CaseDataset:
    return CaseDataset(cases.records(root, EXTRA, label_map), cases.reader())


def failure(root: Path, label_map: str | None = None) -> str:
    """The message for the bad case; the good one is read."""
    good, bad = (dataset(root, label_map)[i] for i in range(2))
    assert isinstance(good, Case)
    assert isinstance(bad, Failure)
    assert (bad.case_id, bad.stage) == ("bad", "reading")
    assert bad.error.startswith("case bad: ")
    assert bad.error.count("case bad") == 1
    assert bad.traceback.startswith("Traceback")
    return bad.error


@pytest.mark.parametrize("axes", ["RAS", "LPS"])
def test_a_case_has_everything_on_one_grid(root: Path, axes: str):
    native = cases.scan_grid(axes)
    cases.write_case(root, "good", native)
    nodule = np.zeros(native.shape, np.uint8)
    nodule[4, 5, 6] = 1
    cases.write_nifti(root / "good/extra/nodule.nii.gz", nodule, native)
    case = dataset(root)[0]
    assert isinstance(case, Case)
    points = cases.world(case.grid)
    assert case.grid.shape == native.shape if axes == "RAS" else case.grid.shape == tuple(case.image.shape[1:])
    np.testing.assert_array_equal(case.annotation.label_map, cases.label_map(points))
    np.testing.assert_allclose(case.image[0], (cases.hounsfield(points) + 1024) / 2048, atol=1e-5)
    assert case.annotated == (True,) * 4
    assert (case.annotation.label_map.dtype, case.body.dtype) == (torch.int16, torch.bool)
    assert case.body.shape == case.annotation.label_map.shape
    marked = points[case.extra["nodule"].numpy()]
    np.testing.assert_allclose(marked, [native.affine[:3, :3] @ [4, 5, 6] + native.affine[:3, 3]], atol=1e-4)
    assert case.extra["effusion"] is None  # not supplied, which differs from empty
    assert case.metadata == {"age": "61"}
    np.testing.assert_array_equal(case.native.affine, native.affine)


def test_a_case_without_labels_has_none(root: Path):
    cases.write_case(root, "new", without=cases.BOXES)
    cases.write_table(root, {"new": "test"})
    case = dataset(root)[0]
    assert isinstance(case, Case)
    assert case.annotation is None
    assert case.annotated == ()


SCANS = {
    "as the model": cases.scan_grid("RAS"),
    "flipped": cases.scan_grid("LPS", centre=(70, -150, 540)),
    "thick slices": cases.scan_grid("LPS", (2, 2, 7)),
    "oblique": cases.scan_grid("PIR", (3, 4, 2), tilt=0.3, centre=(10, 20, -30)),
}
VALUES = np.array([-3, 0, 2035, 2**24 - 1])  # all that float32 can hold


def atlas(grid: Grid, stored: type = np.int32) -> np.ndarray:
    """A label map of 12 mm blocks in the world with values that fit into no byte."""
    blocks = np.floor(cases.world(grid) / 12).astype(int).sum(axis=-1) % 4
    return (VALUES if np.dtype(stored).itemsize >= 4 else np.array([-3, 0, 2035, 77]))[blocks].astype(stored)


@pytest.mark.parametrize("stored", [np.int32, np.float64, np.int16])
@pytest.mark.parametrize("native", SCANS.values(), ids=SCANS)
def test_a_label_map_arrives_at_the_right_voxels(root: Path, native: Grid, stored: type):
    cases.write_case(root, "good", native)
    cases.write_nifti(root / "good/atlas.nii.gz", atlas(native, stored), native)
    case = dataset(root, "{case}/atlas.nii.gz")[0]
    assert isinstance(case, Case), case
    assert case.label_map.dtype == torch.int64
    assert case.label_map.shape == case.image.shape[1:]
    # Slow: look up the native voxel whose centre is nearest; ties (exactly between two) are left out.
    index = (cases.world(case.grid).reshape(-1, 3) - native.affine[:3, 3]) @ np.linalg.inv(native.affine[:3, :3]).T
    clear = (np.abs(index - np.floor(index) - 0.5) > 0.01).all(axis=1)
    nearest = np.clip(np.rint(index).astype(int), 0, np.array(native.shape) - 1)
    expected = atlas(native, stored)[tuple(nearest.T)]
    assert clear.sum() > 100
    assert len(np.unique(expected)) == 4
    np.testing.assert_array_equal(case.label_map.numpy().ravel()[clear], expected[clear])


def test_one_file_for_all_cases_and_none_at_all(root: Path):
    grid = cases.scan_grid()
    cases.write_nifti(root.parent / "atlas.nii", atlas(grid), grid)
    for case in dataset(root, str(root.parent / "atlas.nii")):
        np.testing.assert_array_equal(case.label_map, atlas(grid))
    assert all(case.label_map is None for case in dataset(root))


def test_bad_label_maps(root: Path):
    grid, pattern, bad = cases.scan_grid(), "{case}/atlas.nii.gz", root / "bad/atlas.nii.gz"
    cases.write_nifti(root / "good/atlas.nii.gz", atlas(grid), grid)
    message = failure(root, pattern)
    assert all(word in message for word in (str(bad), "found none", "Fetch"))
    cases.write_nifti(bad, np.zeros((3, 4, 5), np.int16), grid)
    message = failure(root, pattern)
    assert all(word in message for word in ("atlas.nii.gz", "(18, 15, 14)", "(3, 4, 5)", "Resample"))
    cases.write_nifti(bad, atlas(grid), cases.scan_grid(centre=(0, 0, 4)))
    assert "elsewhere in space" in failure(root, pattern)
    for value in (0.5, np.nan, np.inf, 2**24 + 2, -1e12):
        volume = atlas(grid).astype(np.float64)
        volume[3, 2, 1] = value
        cases.write_nifti(bad, volume, grid)
        message = failure(root, pattern)
        assert all(word in message for word in (str(bad), "whole numbers", "nearest"))
    bad.write_bytes(bad.read_bytes()[:-40])
    assert "damaged" in failure(root, pattern)


def test_a_truncated_scan(root: Path):
    path = root / "bad/ct.nii.gz"
    path.write_bytes(path.read_bytes()[:2000])
    message = failure(root)
    assert str(path) in message
    assert "cut off" in message
    assert "again" in message


def test_a_truncated_header_and_a_text_file(root: Path):
    path = root / "bad/ct.nii.gz"
    path.write_bytes(gzip.compress(b"no scan at all"))
    assert str(path) in failure(root)
    path.write_text("<html>404</html>")
    assert str(path) in failure(root)


def test_a_missing_scan(root: Path):
    path = root / "bad/ct.nii.gz"
    path.unlink()
    message = failure(root)
    assert str(path) in message
    assert "found none" in message


def test_a_mask_of_another_shape(root: Path):
    cases.write_nifti(root / "bad/segmentations/heart.nii.gz", np.zeros((3, 4, 5), np.uint8), cases.scan_grid())
    message = failure(root)
    assert all(word in message for word in ("heart.nii.gz", "(18, 15, 14)", "(3, 4, 5)", "Resample"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_not_finite(root: Path, value: float):
    path = root / "bad/ct.nii.gz"
    hu = np.asarray(nib.load(path).dataobj).copy()
    hu[0, 1, 2] = hu[3, 4, 5] = value
    cases.write_nifti(path, hu, cases.scan_grid())
    message = failure(root)
    assert all(word in message for word in (str(path), "2 voxels", "Repair"))


def test_a_4d_file(root: Path):
    path = root / "bad/ct.nii.gz"
    cases.write_nifti(path, np.zeros((6, 6, 6, 2), np.int16), cases.scan_grid())
    message = failure(root)
    assert all(word in message for word in (str(path), "4D", "(6, 6, 6, 2)"))


def test_colours_are_no_scan(root: Path):
    path = root / "bad/ct.nii.gz"
    colour = np.zeros((6, 6, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    cases.write_nifti(path, colour, cases.scan_grid())
    assert str(path) in failure(root)


def test_an_affine_that_is_flat(root: Path):
    path = root / "bad/ct.nii.gz"
    image = nib.Nifti1Image(np.zeros((6, 6, 6), np.int16), None)
    image.header.set_sform(np.diag([2.0, 2.0, 0.0, 1.0]), code=1)
    nib.save(image, path)
    message = failure(root)
    assert str(path) in message
    assert "affine" in message


def test_what_nobody_thought_of_still_names_the_case(root: Path, monkeypatch: pytest.MonkeyPatch):
    data = dataset(root)
    monkeypatch.setattr(data.reader.annotation, "annotated", lambda record: 1 / 0)
    result = data[0]
    assert isinstance(result, Failure)
    assert result.error.startswith("case good: ")
    assert "ZeroDivisionError" in result.traceback


def test_a_case_says_which_scan_it_is_and_where_its_files_are(root: Path, monkeypatch: pytest.MonkeyPatch):
    (root / "good" / "segmentations" / "heart.nii.gz").unlink()
    monkeypatch.chdir(root.parent)
    case = cases.reader().read(cases.records(Path("data"))[0])
    assert case.origin is not None
    assert case.origin.images == (root / "good" / "ct.nii.gz",)
    assert case.origin.digest == sha256((root / "good" / "ct.nii.gz").read_bytes()).hexdigest()
    masks = {name: MaskFile(root / "good" / "segmentations" / f"{name}.nii.gz") for name in cases.BOXES}
    assert case.origin.annotation == {
        "background": (),
        "lung": (masks["lung_left"], masks["lung_right"]),
        "heart": (),
        "aorta": (masks["aorta"],),
    }


def test_what_is_assumed_in_reading_travels_with_the_case(root: Path):
    grid = cases.scan_grid()
    cases.write_nifti(root / "good/extra/nodule.nii.gz", np.full(grid.shape, 255, np.uint8), grid)
    stored(root / "bad/ct.nii", np.full(grid.shape, 7, np.int16), grid)
    (root / "bad/ct.nii.gz").write_bytes(gzip.compress((root / "bad/ct.nii").read_bytes()))
    good, flat = (dataset(root)[i] for i in range(2))
    assert [notice.split(":")[0] for notice in good.notices] == [
        "a file does not say its unit of length (xyzt_units)",
        "masks that hold 0 and 255 are read as 0 and 1",
    ]
    assert flat.notices == ("every voxel of the scan has the same value, so that there is nothing in it to explain",)


def test_a_scan_that_is_no_ct_is_read_without_a_body(root: Path):
    hu = np.asarray(nib.load(root / "bad/ct.nii.gz").dataobj)
    cases.write_nifti(root / "bad/ct.nii.gz", (hu + 1024) / 2048, cases.scan_grid())
    good, bad = (dataset(root)[i] for i in range(2))
    assert good.body is not None
    assert bad.body is None
    assert any("scaled to [0, 1]" in notice for notice in bad.notices)
    assert not any("Hounsfield" in notice for notice in good.notices)


def test_a_narrow_window_does_not_hide_the_air(root: Path):
    hu = np.asarray(nib.load(root / "good/ct.nii.gz").dataobj).copy()
    hu[:, :4] = -1000
    cases.write_nifti(root / "good/ct.nii.gz", hu, cases.scan_grid())
    wide = dataset(root)
    narrow = replace(wide.reader, preprocessing=cases.ct((4.0,) * 3, -160, 240))
    assert torch.equal(narrow.read(wide.records[0]).body, wide[0].body)
    assert 0.5 < wide[0].body.double().mean() < 0.9
