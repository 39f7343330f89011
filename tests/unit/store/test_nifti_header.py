"""What a header says is followed or refused with the reason; what it does not say is assumed aloud."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agg2exp.domain.case import Grid
from agg2exp.store.nifti import UnreadableVolumeError, open_volume, read_volume
from tests.helpers import cases
from tests.helpers.headers import ORIENTATIONS, grids, rewritten, sheared, stored

GRID = cases.scan_grid("LPS", (2.0, 3.0, 4.0))
VOLUME = np.arange(np.prod(GRID.shape), dtype=np.int16).reshape(GRID.shape)
ONCE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


def notices(path: Path) -> tuple[str, ...]:
    return open_volume(path).header.notices


def both_forms(path: Path, sform: np.ndarray, qform: np.ndarray) -> Path:
    image = nib.Nifti1Image(VOLUME, sform)
    image.header.set_xyzt_units("mm")
    image.set_qform(qform, code=1)
    image.set_sform(sform, code=1)
    image.header["pixdim"][1:4] = np.linalg.norm(qform[:3, :3], axis=0)
    nib.save(image, path)
    return path


@ONCE
@given(grids(), st.sampled_from(["mm", "meter", "micron"]), st.sampled_from(["sform", "qform", "both"]))
def test_the_unit_and_the_forms_of_a_file_are_followed(tmp_path: Path, grid: Grid, unit: str, form: str):
    factor = {"mm": 1.0, "meter": 1e-3, "micron": 1e3}[unit]
    affine = np.diag([factor, factor, factor, 1]) @ grid.affine
    image = nib.Nifti1Image(np.zeros(grid.shape, np.uint8), affine)
    image.header.set_xyzt_units(unit)
    image.set_qform(affine, code=0 if form == "sform" else 1)
    image.set_sform(affine, code=0 if form == "qform" else 1)
    nib.save(image, tmp_path / "a.nii")
    header = open_volume(tmp_path / "a.nii").header
    assert header.grid.same(grid)
    assert header.notices == ()


def test_an_unknown_unit_is_assumed_to_be_mm_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = stored(tmp_path / "a.nii", VOLUME, GRID, xyzt_units=0)
    assert open_volume(path).grid.same(GRID)
    assert "millimetres are assumed" in " ".join(notices(path))
    read_volume(path)
    assert f"{path}: a file does not say its unit" in caplog.text


@pytest.mark.parametrize("code", [4, 7])
def test_a_unit_that_does_not_exist_is_refused(tmp_path: Path, code: int):
    with pytest.raises(UnreadableVolumeError, match=rf"a\.nii.*xyzt_units.*{code}"):
        open_volume(stored(tmp_path / "a.nii", VOLUME, GRID, xyzt_units=code))


def test_a_file_without_forms_is_read_as_nibabel_does_aloud(tmp_path: Path):
    path = stored(tmp_path / "a.nii", VOLUME, GRID, sform_code=0, qform_code=0)
    np.testing.assert_allclose(open_volume(path).grid.affine, nib.load(path).affine)
    assert "neither sform nor qform" in " ".join(notices(path))


@pytest.mark.parametrize("code", ["sform_code", "both"])
@pytest.mark.parametrize("step", [0, -2, np.nan, np.inf])
def test_a_voxel_size_that_is_none_is_not_replaced_by_one(tmp_path: Path, code: str, step: float):
    codes = {"sform_code": 0, "qform_code": 1 if code == "sform_code" else 0}
    path = stored(tmp_path / "a.nii", VOLUME, GRID, pixdim=[1, 2, step, 4, 0, 0, 0, 0], **codes)
    with pytest.raises(UnreadableVolumeError, match=r"a\.nii.*(pixdim|header)"):
        open_volume(path)


@pytest.mark.parametrize("axes", ["RPS", "LAS", "PLS", "LPI"])
def test_forms_that_turn_the_scan_otherwise_contradict_each_other(tmp_path: Path, axes: str):
    other = cases.scan_grid(axes, (2.0, 3.0, 4.0)).affine
    with pytest.raises(
        UnreadableVolumeError, match=rf"sform \(axes to LPS.*contradicts its qform \(axes to {axes}.*ITK"
    ):
        open_volume(both_forms(tmp_path / "a.nii", GRID.affine, other))


def test_forms_with_voxels_of_another_size_contradict_each_other(tmp_path: Path):
    other = cases.scan_grid("LPS", (2.0, 3.0, 6.0)).affine
    with pytest.raises(UnreadableVolumeError, match=r"2 x 3 x 4 mm.*contradicts.*2 x 3 x 6 mm"):
        open_volume(both_forms(tmp_path / "a.nii", GRID.affine, other))


def test_forms_that_differ_in_place_only_are_followed_aloud(tmp_path: Path):
    for k, other in enumerate((cases.scan_grid("LPS", (2.0, 3.0, 4.0), centre=(9, 0, 0)), sheared(GRID, -15))):
        path = both_forms(tmp_path / f"{k}.nii", GRID.affine, other.affine)
        assert open_volume(path).grid.same(GRID)
        assert "the sform is followed" in " ".join(notices(path))


def test_a_pixdim_that_is_not_the_spacing_of_the_only_form_is_told(tmp_path: Path):
    path = stored(tmp_path / "a.nii", VOLUME, GRID, qform_code=0, pixdim=[1, 1, 1, 1, 0, 0, 0, 0])
    assert open_volume(path).grid.same(GRID)
    assert "ITK takes pixdim" in " ".join(notices(path))


@pytest.mark.parametrize("row", ["srow_x", "srow_z"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_form_that_is_not_finite_is_refused(tmp_path: Path, row: str, value: float):
    path = stored(tmp_path / "a.nii", VOLUME, GRID, **{row: [2, value, 0, 0]})
    with pytest.raises(UnreadableVolumeError, match="affine"):
        open_volume(path)


@pytest.mark.parametrize("offset", [0, 4, 351, 352.5, -352, np.nan, np.inf, -np.inf])
def test_voxels_that_would_begin_in_the_header_are_refused(tmp_path: Path, offset: float):
    path = stored(tmp_path / "a.nii", VOLUME, GRID, vox_offset=offset)
    with pytest.raises(UnreadableVolumeError, match=r"a\.nii.*(vox_offset|vox offset)"):
        open_volume(path)


def test_voxels_that_would_begin_after_the_file_are_one_error(tmp_path: Path):
    path = stored(tmp_path / "a.nii", VOLUME, GRID, vox_offset=1e30)
    with pytest.raises(UnreadableVolumeError, match="cut off"):
        read_volume(path)


@pytest.mark.parametrize(("slope", "inter"), [(np.inf, 0), (-np.inf, 0), (1, np.nan), (2, np.inf)])
def test_a_scale_that_is_not_finite_is_refused(tmp_path: Path, slope: float, inter: float):
    path = stored(tmp_path / "a.nii", VOLUME, GRID, scl_slope=slope, scl_inter=inter)
    with pytest.raises(UnreadableVolumeError, match="scl_slope"):
        open_volume(path)


@pytest.mark.parametrize("dim", [(3, 0, 15, 14), (3, -5, 15, 14), (0, 1, 1, 1), (9, 36, 20, 14), (2, 36, 20, 1)])
def test_dimensions_that_are_none_are_refused(tmp_path: Path, dim: tuple[int, ...]):
    path = stored(tmp_path / "a.nii", VOLUME, GRID, dim=[*dim, 1, 1, 1, 1])
    with pytest.raises(UnreadableVolumeError, match=r"a\.nii"):
        open_volume(path)


@ONCE
@given(
    axes=st.sampled_from(ORIENTATIONS),
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]),
    order=st.sampled_from("<>"),
    trailing=st.integers(0, 4),
    scale=st.sampled_from([None, (2.0, -3.0), (0.5, 10.0)]),
    version=st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]),
    suffix=st.sampled_from([".nii", ".nii.gz", ".NII.GZ"]),
)
def test_every_container_gives_its_values(tmp_path: Path, axes, dtype, order, trailing, scale, version, suffix):
    grid = cases.scan_grid(axes, (6.0, 4.0, 5.0))
    raw = (np.arange(np.prod(grid.shape)) % 120).reshape(grid.shape)
    header = version.header_class(endianness=order)
    header.set_data_dtype(np.dtype(order + dtype))
    header.set_xyzt_units("mm")
    image = version(raw.reshape(*grid.shape, *[1] * trailing).astype(dtype), grid.affine, header)
    if scale:
        image.header.set_slope_inter(*scale)  # nibabel stores (raw - inter) / slope
    nib.save(image, tmp_path / f"a{suffix}")
    volume, read = read_volume(tmp_path / f"a{suffix}")
    assert volume.dtype.isnative
    assert volume.shape == read.shape == grid.shape
    expected = np.asarray(nib.load(tmp_path / f"a{suffix}").dataobj).reshape(grid.shape)
    np.testing.assert_array_equal(volume, expected)
    assert read.same(grid)


@ONCE
@given(st.binary(max_size=600), st.integers(0, 347), st.binary(min_size=1, max_size=8))
def test_whatever_the_bytes_are_they_are_read_or_refused_with_the_path(
    tmp_path: Path, junk: bytes, at: int, new: bytes
):
    path = stored(tmp_path / "a.nii", VOLUME, GRID)
    content = bytearray(path.read_bytes())
    content[at : at + len(new)] = new
    for bytes_ in (junk, bytes(content)):
        path.write_bytes(bytes_)
        try:
            volume, grid = read_volume(path)
        except UnreadableVolumeError as error:
            assert str(path) in str(error)
        else:
            assert volume.shape == grid.shape
            assert np.isfinite(grid.affine).all()


def test_only_nifti_is_read(tmp_path: Path):
    nib.save(nib.MGHImage(VOLUME.astype(np.float32), GRID.affine), tmp_path / "a.mgz")
    with pytest.raises(UnreadableVolumeError, match=r"a\.mgz: expected a NIfTI file.*Convert"):
        open_volume(tmp_path / "a.mgz")
    with pytest.raises(UnreadableVolumeError, match="damaged"):
        open_volume(rewritten(stored(tmp_path / "b.nii", VOLUME, GRID), magic=b"ni1"))


def test_a_sform_of_zeros_is_told_as_such_whatever_the_qform_says(tmp_path: Path):
    path = stored(tmp_path / "a.nii", VOLUME, GRID, srow_x=0, srow_y=0, srow_z=0, sform_code=1, qform_code=1)
    with pytest.raises(UnreadableVolumeError, match=r"does not span three dimensions. Repair"):
        open_volume(path)


def test_an_unknown_unit_is_named_by_its_code(tmp_path: Path):
    with pytest.raises(UnreadableVolumeError, match=r"xyzt_units, got the code 4\. Repair"):
        open_volume(stored(tmp_path / "a.nii", VOLUME, GRID, xyzt_units=4 + 8))
