"""What the values of masks, label maps and atlases mean, on the scan's grid."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from agg2exp.data.reading.extra_masks import read_extra_masks
from agg2exp.data.reading.masks import MaskReader, is_there, labels_in, read_label_map
from agg2exp.data.records import CaseRecord
from agg2exp.domain.case import Grid
from agg2exp.domain.errors import CaseError
from agg2exp.domain.files import MaskFile
from agg2exp.domain.roles import Notice
from tests.helpers import cases
from tests.helpers.headers import ORIENTATIONS, stored

GRID = cases.scan_grid("LPS", (3.0, 3.0, 3.0))
HARD = np.zeros(GRID.shape, bool)
HARD[4:15, 5:12, 3:13] = True
ONCE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def labels(*values: int) -> NDArray[np.float64]:
    """0 with a block of each value."""
    volume = np.zeros(GRID.shape)
    for k, value in enumerate(values):
        volume[2 * k : 2 * k + 2, 1:5] = value
    return volume


def saved(path: Path, volume: NDArray[np.generic], dtype: type | None = None) -> Path:
    """As nibabel saves values through a header of this type: scaled if they do not fit."""
    image = nib.Nifti1Image(volume, GRID.affine)
    image.header.set_xyzt_units("mm")
    if dtype is not None:
        image.set_data_dtype(dtype)
    nib.save(image, path)
    return path


def of(path: Path, label: int | None = None, threshold: float | None = None) -> NDArray[np.bool_]:
    record = CaseRecord("s1", (path,), extra={"region": MaskFile(path, label)})
    return read_extra_masks(record, MaskReader("s1", GRID, threshold))["region"]


def read_mask(case: str, path: Path, grid: Grid, threshold: float | None = None, notice: Notice = print) -> Any:
    return MaskReader(case, grid, threshold, notice).mask(MaskFile(path))


@pytest.mark.parametrize("values", [(5, 7), (1, 24, 117), (3, 120), (2035, 11, 1)])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32])
def test_labels_that_a_scaled_header_rounds_are_those_that_were_meant(tmp_path: Path, values, dtype: type):
    path, volume = saved(tmp_path / "atlas.nii.gz", labels(*values), dtype), labels(*values)
    np.testing.assert_array_equal(read_label_map("s1", path, GRID), volume)
    for value in values:
        np.testing.assert_array_equal(of(path, value), volume == value)
    assert labels_in(path) == {0, *values}


@pytest.mark.parametrize("values", [(7, 5), (24, 5), (117, 12, 5), (120, 60)])
def test_a_scale_as_coarse_as_half_a_label_still_tells_labels_apart(tmp_path: Path, values):
    path = saved(tmp_path / "atlas.nii.gz", labels(*values), np.uint8)
    stored_values = np.asarray(nib.load(path).dataobj)
    assert np.abs(stored_values - labels(*values)).max() > 0.003
    np.testing.assert_array_equal(read_label_map("s1", path, GRID), labels(*values))


def test_a_scale_too_coarse_for_labels_is_refused(tmp_path: Path):
    path = saved(tmp_path / "atlas.nii.gz", labels(200, 7, 5), np.uint8)  # steps of 0.78
    with pytest.raises(CaseError, match=r"case s1: expected whole numbers.*atlas\.nii\.gz"):
        read_label_map("s1", path, GRID)


def test_labels_that_went_through_two_files_are_rounded_and_told(tmp_path: Path):
    first = nib.load(saved(tmp_path / "a.nii.gz", labels(2035, 5), np.int16)).get_fdata()
    said: list[str] = []
    path = saved(tmp_path / "b.nii.gz", first.astype(np.float32))
    np.testing.assert_array_equal(read_label_map("s1", path, GRID, said.append), labels(2035, 5))
    assert said == ["values of masks or label maps that a header stores inexactly (5.00003) are rounded"]


SOFT = {
    "probability": gaussian_filter(HARD.astype(np.float32), 1.5),
    "linear": (np.roll(HARD, 1, 0) * 0.3 + HARD * 0.7).astype(np.float32),
    "faint": HARD * np.float32(1 / 255),
    "half": HARD * np.float32(0.5),
    "bytes": (gaussian_filter(HARD.astype(np.float32), 1.5) * 255).astype(np.uint8),
    "two lesions": np.where(HARD, 1 + (np.arange(GRID.shape[2]) > 7), 0).astype(np.uint8),
    "labels": labels(3, 7).astype(np.uint8),
    "ignore": np.where(HARD, 1, -1).astype(np.int16),
}


@pytest.mark.parametrize("name", SOFT)
def test_what_is_no_mask_is_refused_unless_a_threshold_is_set(tmp_path: Path, name: str):
    path, volume = saved(tmp_path / "m.nii.gz", SOFT[name]), SOFT[name]
    for read in (lambda: read_mask("s1", path, GRID), lambda: of(path)):
        with pytest.raises(CaseError, match=r"case s1: expected a mask in .*m\.nii\.gz.*#5.*data\.mask_threshold"):
            read()
    for threshold in (0.002, 0.4, 100):
        np.testing.assert_array_equal(read_mask("s1", path, GRID, threshold), volume > threshold)
        np.testing.assert_array_equal(of(path, threshold=threshold), volume > threshold)


def test_soft_bytes_stored_with_a_scale_are_refused(tmp_path: Path):
    with pytest.raises(CaseError, match="values between whole numbers"):
        read_mask("s1", saved(tmp_path / "m.nii.gz", SOFT["probability"], np.uint8), GRID)


@pytest.mark.parametrize("value", [1, 255, 7, 0.99999, 1e9])
def test_one_value_beside_0_is_the_inside_whatever_it_is(tmp_path: Path, value: float):
    said: list[str] = []
    path = saved(tmp_path / "m.nii.gz", HARD * np.float32(value))
    for threshold in (None, 1e12):  # a threshold is for what is no mask yet
        np.testing.assert_array_equal(read_mask("s1", path, GRID, threshold, said.append), HARD)
    about = {255: "0 and 255 are read as 0 and 1", 7: "name its label by #7", 0.99999: "rounded", 1e9: "#1000000000"}
    assert all(about[value] in sentence for sentence in said) if value != 1 else said == []
    assert len(set(said)) == (value != 1)


def test_background_of_a_softmax_is_outside(tmp_path: Path):
    path = saved(tmp_path / "m.nii.gz", (1e-6 + (1 - 2e-6) * HARD).astype(np.float32))
    np.testing.assert_array_equal(read_mask("s1", path, GRID), HARD)


def test_empty_and_full_masks_are_masks(tmp_path: Path):
    for value in (0, 1):
        path = saved(tmp_path / "m.nii.gz", np.full(GRID.shape, value, np.uint8))
        assert read_mask("s1", path, GRID).all() == value


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_neither_inside_nor_outside_is_refused_everywhere(tmp_path: Path, value: float):
    path = saved(tmp_path / "m.nii.gz", np.where(HARD, 1, value).astype(np.float32))
    for read in (
        lambda: read_mask("s1", path, GRID, 0.5),
        lambda: of(path, 1),
        lambda: read_label_map("s1", path, GRID),
    ):
        with pytest.raises(CaseError, match=rf"m\.nii\.gz.*NaN or infinity in {int((~HARD).sum())} voxels.*Repair"):
            read()
    assert labels_in(path) == set()


def test_negative_labels_are_labels_of_a_map(tmp_path: Path):
    path, volume = saved(tmp_path / "atlas.nii.gz", labels(-1, 4).astype(np.int16)), labels(-1, 4)
    np.testing.assert_array_equal(read_label_map("s1", path, GRID), volume)
    np.testing.assert_array_equal(of(path, 4), volume == 4)


@ONCE
@given(
    axes=st.sampled_from(ORIENTATIONS),
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "i8", "u8", "f4", "f8"]),
    order=st.sampled_from("<>"),
    scaled=st.booleans(),
    top=st.integers(2, 120),
    trailing=st.integers(0, 4),
    unit=st.sampled_from(["mm", "meter", "micron", "unknown"]),
    in_metres=st.booleans(),
)
def test_every_container_of_the_same_labels_gives_the_same_regions(
    tmp_path: Path, axes, dtype, order, scaled, top, trailing, unit, in_metres
):
    volume = labels(top, top // 2, 1)
    image = nib.Nifti1Image(volume.astype(np.float64), GRID.affine)
    start = nib.io_orientation(GRID.affine)
    turned = image.as_reoriented(nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(tuple(axes))))
    known = {"mm": 1.0, "meter": 1e-3, "micron": 1e3}
    factor = known.get(unit, 1e-3 if in_metres else 1.0)
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(order + dtype))
    header.set_xyzt_units(unit)
    values = turned.get_fdata().reshape(*turned.shape, *[1] * trailing)
    affine = np.diag([factor, factor, factor, 1]) @ turned.affine
    result = nib.Nifti1Image(values if scaled else values.astype(dtype), affine, header)
    nib.save(result, tmp_path / "atlas.nii")
    np.testing.assert_array_equal(read_label_map("s1", tmp_path / "atlas.nii", GRID), volume)
    np.testing.assert_array_equal(of(tmp_path / "atlas.nii", top), volume == top)


def test_a_file_elsewhere_says_how_far_before_its_voxels_are_read(tmp_path: Path):
    wider = Grid(GRID.shape, GRID.affine @ np.diag([1.03, 1.03, 1.03, 1]))
    path = stored(tmp_path / "m.nii", HARD.astype(np.uint8), wider)
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(CaseError, match=r"m\.nii lies elsewhere in space.*up to 3\.14 mm from those of the scan"):
        read_mask("s1", path, GRID)


def test_a_folder_that_must_not_be_read_is_the_failure_of_its_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def forbidden(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    assert not is_there("s1", tmp_path / "a.nii")
    monkeypatch.setattr(Path, "is_file", forbidden)
    with pytest.raises(CaseError, match=r"case s1: .*a\.nii cannot be looked for \(Permission denied\)"):
        is_there("s1", tmp_path / "a.nii")


def test_what_stands_in_the_place_of_a_mask_without_being_a_file_is_told(tmp_path: Path):
    folder, link = tmp_path / "folder.nii.gz", tmp_path / "link.nii.gz"
    folder.mkdir()
    link.symlink_to("not_fetched.nii.gz")
    for path, problem in ((folder, "got a folder"), (link, "got a link to a file that is not there")):
        with pytest.raises(CaseError, match=rf"case s1: expected a NIfTI file at .*{path.name}, {problem}"):
            of(path)
    saved(tmp_path / "not_fetched.nii.gz", HARD.astype(np.uint8))
    np.testing.assert_array_equal(of(link), HARD)
