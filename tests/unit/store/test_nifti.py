"""Volumes in and out. The way to another grid and back is tested with the preprocessing."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from agg2exp.domain.case import Grid
from agg2exp.store.nifti import UnreadableVolumeError, read_volume, to_native, write_volume
from tests.helpers import cases

GRID = cases.scan_grid("LPS", (2.0, 3.0, 5.0), tilt=0.2, centre=(12, -140, 800))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_what_is_written_is_read(tmp_path: Path, dtype):
    volume = np.random.default_rng(0).integers(0, 100, GRID.shape).astype(dtype)
    write_volume(tmp_path / "new" / "a.nii.gz", volume, GRID)
    read, grid = read_volume(tmp_path / "new" / "a.nii.gz")
    np.testing.assert_array_equal(read, volume)
    assert read.dtype == dtype
    assert grid.shape == GRID.shape
    np.testing.assert_allclose(grid.affine, GRID.affine, atol=1e-4)


def test_viewers_find_millimetres_and_both_forms_of_the_affine(tmp_path: Path):
    write_volume(tmp_path / "a.nii.gz", np.zeros(GRID.shape, np.uint8), GRID)
    header = nib.load(tmp_path / "a.nii.gz").header
    assert header.get_xyzt_units()[0] == "mm"
    for affine, code in (header.get_sform(coded=True), header.get_qform(coded=True)):
        assert code == 1
        np.testing.assert_allclose(affine, GRID.affine, atol=1e-3)


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def half(image, path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", half)
    with pytest.raises(OSError, match="No space"):
        write_volume(tmp_path / "a.nii.gz", np.zeros(GRID.shape, np.uint8), GRID)
    assert list(tmp_path.iterdir()) == []


def test_scaled_voxels_are_read_as_values(tmp_path: Path):
    stored = nib.Nifti1Image(np.full((2, 3, 4), -1010.0, np.float32), np.eye(4))
    stored.set_data_dtype(np.int16)
    nib.save(stored, tmp_path / "a.nii.gz")
    np.testing.assert_allclose(read_volume(tmp_path / "a.nii.gz")[0], -1010, atol=0.1)


def test_a_fourth_axis_of_one_is_dropped(tmp_path: Path):
    nib.save(nib.Nifti1Image(np.ones((2, 3, 4, 1), np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    volume, grid = read_volume(tmp_path / "a.nii.gz")
    assert volume.shape == grid.shape == (2, 3, 4)


def test_every_way_of_being_cut_off_is_one_clear_error(tmp_path: Path):
    path = tmp_path / "a.nii.gz"
    write_volume(path, np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32), Grid((8, 8, 8), np.eye(4)))
    whole = path.read_bytes()
    for keep in (0, 1, 10, 11, 60, 400, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(UnreadableVolumeError, match=r"a\.nii\.gz.*damaged"):
            read_volume(path)


def test_flipped_bits_are_noticed(tmp_path: Path):
    path = tmp_path / "a.nii.gz"
    write_volume(path, np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32), Grid((8, 8, 8), np.eye(4)))
    assert read_volume(path)[0].shape == (8, 8, 8)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableVolumeError, match="damaged"):
        read_volume(path)


@pytest.mark.parametrize("content", [b"", b"text", gzip.compress(b"text", mtime=0), gzip.compress(bytes(400), mtime=0)])
def test_what_is_no_nifti_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(UnreadableVolumeError, match=r"a\.nii\.gz"):
        read_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "an empty file"),
        (b"<html><body>404", "one that begins with b'<html><body>404'"),
        (gzip.compress(b"version https://git-lfs", mtime=0), "one that begins with b'version https://'"),
    ],
)
def test_what_a_file_holds_instead_of_a_header_is_shown(tmp_path: Path, content: bytes, got: str):
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(UnreadableVolumeError, match=rf"expected a header of NIfTI-1.*, got {got}.*Fetch"):
        read_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
@pytest.mark.parametrize("packed", [True, False])
def test_whether_a_file_is_packed_is_read_from_its_bytes(tmp_path: Path, name: str, packed: bool):
    volume = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    content = nib.Nifti1Image(volume, np.eye(4)).to_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    np.testing.assert_array_equal(read_volume(tmp_path / name)[0], volume)


def test_a_problem_is_told_in_one_line(tmp_path: Path):
    content = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.eye(4)).to_bytes()
    (tmp_path / "a.nii").write_bytes(content[:-40])
    with pytest.raises(UnreadableVolumeError, match=r"^[^\n]*damaged or cut off[^\n]*Copy[^\n]*$"):
        read_volume(tmp_path / "a.nii")


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path):
    (tmp_path / "a.nii.gz").mkdir()
    with pytest.raises(UnreadableVolumeError, match=r"a\.nii\.gz, got a folder"):
        read_volume(tmp_path / "a.nii.gz")


def test_a_missing_file_says_what_to_do(tmp_path: Path):
    with pytest.raises(UnreadableVolumeError, match=r"a\.nii\.gz, found none\. Fetch"):
        read_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5, 2), (3, 4, 5, 1, 3)])
def test_other_dimensions_are_refused_with_the_shape(tmp_path: Path, shape: tuple[int, ...]):
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(UnreadableVolumeError, match=f"expected a 3D volume, got {len(shape)}D"):
        read_volume(tmp_path / "a.nii.gz")


def test_labels_keep_their_values_and_type_and_the_border_goes_on_in_voxels_that_are_partly_covered():
    grid = Grid((4, 4, 4), np.diag([2.0, 2, 2, 1]))
    native = Grid((10, 8, 8), np.array([[1.0, 0, 0, -1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0], labels[3] = 7, 200
    back = to_native(labels, grid, native, labels=True)
    assert back.dtype == np.uint8
    assert back[:, 0, 0].tolist()[:2] == [7, 7]  # the centre of the first voxel, -1 mm, lies on the edge
    assert back[:, 0, 0].tolist()[-2:] == [200, 0]  # from 6.5 to 7.5 and to 8.5 mm; the grid ends at 7 mm
    assert set(np.unique(back)) == {0, 7, 200}


def test_values_are_interpolated_linearly():
    grid = Grid((3, 1, 1), np.diag([2.0, 1, 1, 1]))
    native = Grid((5, 1, 1), np.eye(4))
    values = np.array([0.0, 10, -10], np.float32).reshape(3, 1, 1)
    np.testing.assert_allclose(to_native(values, grid, native, labels=False).ravel(), [0, 5, 10, 0, -10])
