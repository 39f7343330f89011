"""Channels of a scan: a file each, on one grid, in their order."""

from pathlib import Path

import numpy as np
import pytest

from agg2exp.data.reading.images import headers_of, read_scan
from agg2exp.data.records import CaseRecord
from agg2exp.domain.case import Grid
from agg2exp.domain.errors import CaseError
from agg2exp.store.limits import Limits
from tests.helpers import cases

GRID = cases.scan_grid("LPS", (4.0, 3.0, 5.0))


def volume(seed: int, grid: Grid = GRID) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1000, grid.shape).astype(np.int16)


@pytest.fixture
def record(tmp_path: Path) -> CaseRecord:
    """Two channels, t1 and flair."""
    paths = tmp_path / "t1.nii.gz", tmp_path / "flair.nii.gz"
    for seed, path in enumerate(paths):
        cases.write_nifti(path, volume(seed), GRID)
    return CaseRecord("s1", paths, channels=("t1", "flair"))


def read(record: CaseRecord):
    return read_scan(record.id, headers_of(record.images))


def test_each_channel_is_read_as_it_would_be_alone(record: CaseRecord):
    case = cases.reader().read(record)
    assert case.channels == ("t1", "flair")
    assert case.image.shape == (2, *case.grid.shape)
    for c, path in enumerate(record.images):
        alone = cases.reader().read(CaseRecord("s1", (path,)))
        np.testing.assert_array_equal(case.image[c], alone.image[0])
        assert (alone.channels, alone.grid.shape) == (("0",), case.grid.shape)
        np.testing.assert_array_equal(alone.grid.affine, case.grid.affine)
    assert not np.array_equal(case.image[0], case.image[1])


def test_a_channel_in_another_axis_order_is_put_into_that_of_the_first(record: CaseRecord):
    turned = cases.scan_grid("RAS", (4.0, 3.0, 5.0))
    cases.write_nifti(record.images[1], volume(1)[::-1, ::-1], turned)
    scan = read(record)
    np.testing.assert_array_equal(scan.voxels, np.stack([volume(0), volume(1)]))
    assert scan.voxels.dtype == np.float32


def test_one_file_keeps_its_type(record: CaseRecord):
    assert read(CaseRecord("s1", record.images[:1])).voxels.dtype == np.int16


@pytest.mark.parametrize(
    ("grid", "problem"),
    [
        (cases.scan_grid("LPS", (4.0, 3.0, 4.0)), r"expected flair\.nii\.gz on the scan's grid \(18, 20, 11\), got"),
        (cases.scan_grid("LPS", (4.0, 3.0, 5.0), centre=(0, 0, 4)), r"flair\.nii\.gz lies elsewhere in space"),
    ],
)
def test_a_channel_on_another_grid_is_the_failure_of_its_case(record: CaseRecord, grid: Grid, problem: str):
    cases.write_nifti(record.images[1], volume(1, grid), grid)
    with pytest.raises(CaseError, match=f"^case s1: {problem}.*Resample"):
        cases.reader().read(record)


def test_a_missing_a_damaged_and_a_non_finite_channel_are_named(record: CaseRecord):
    path = record.images[1]
    broken = volume(1).astype(np.float32)
    broken[1, 2, 3] = np.nan
    cases.write_nifti(path, broken, GRID)
    with pytest.raises(CaseError, match=r"case s1: .*flair\.nii\.gz has 1 voxels that are NaN"):
        cases.reader().read(record)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CaseError, match=r"case s1: .*flair\.nii\.gz.*damaged"):
        cases.reader().read(record)
    path.unlink()
    with pytest.raises(CaseError, match=r"case s1: expected a NIfTI file at .*flair\.nii\.gz, found none"):
        cases.reader().read(record)


def test_four_axes_are_no_channels(record: CaseRecord):
    cases.write_nifti(record.images[0], np.zeros((*GRID.shape, 2), np.int16), GRID)
    with pytest.raises(CaseError, match=r"t1\.nii\.gz.*4D.*one time point or channel per file"):
        cases.reader().read(record)


def test_an_empty_channel_is_told_by_its_name(record: CaseRecord):
    cases.write_nifti(record.images[1], np.full(GRID.shape, 3, np.int16), GRID)
    (notice,) = [notice for notice in cases.reader().read(record).notices if "every voxel" in notice]
    assert notice.startswith("every voxel of flair.nii.gz has the same value")


def test_limits_and_costs_see_all_channels(record: CaseRecord):
    one = CaseRecord("s1", record.images[:1])
    least = 4 * np.prod(GRID.extent) / 4**3 / 1e9  # float32 at 4 mm, which is more than as stored
    reader = cases.reader(limits=Limits(gigabytes=1.5 * least))
    assert reader.cost(one) == pytest.approx(cases.ct((4.0,) * 3).voxels(GRID))
    assert reader.cost(record) == 0
    with pytest.raises(CaseError, match=r"data\.limits\.gigabytes"):
        reader.read(record)
