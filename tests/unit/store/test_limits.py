"""What a header claims is bounded before anything is read."""

import gzip
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import SettingError
from agg2exp.store.limits import Limits
from agg2exp.store.nifti import StoredVolume, UnreadableVolumeError, open_volume
from tests.helpers.headers import rewritten, stored

SPACING = 5.5  # mm


def check(limits: Limits, volume: StoredVolume, mm: float = SPACING, channels: int = 1) -> None:
    """As a reader that resamples to `mm` asks."""
    limits.check(volume, float(np.prod(volume.grid.extent)) / mm**3, channels)


def scan(path: Path, shape: tuple[int, ...], mm: float):
    """A header that claims this, with a few voxels behind it."""
    stored(path, np.zeros((2, 2, 2), np.int16), Grid((2, 2, 2), np.diag([mm, mm, mm, 1.0])))
    return open_volume(rewritten(path, dim=[3, *shape, 1, 1, 1, 1]))


@pytest.mark.parametrize(
    ("shape", "mm", "limit"),
    [
        ((60, 60, 60), 0.0015, "extent_mm allows 10 to 3000"),
        ((60, 60, 60), 1500, "extent_mm"),
        ((512, 512, 1), 1, "extent_mm"),
        ((1, 1, 1), 220, "voxel_mm is 50"),
        ((12, 12, 12), 220, "voxel_mm"),
        ((3000, 3000, 3000), 0.5, "gigabytes is 8"),
    ],
)
def test_each_limit_is_stated_with_what_came(tmp_path: Path, shape: tuple[int, ...], mm: float, limit: str):
    with pytest.raises(UnreadableVolumeError, match=rf"a\.nii .*data\.limits\.{limit}.*header"):
        check(Limits(), scan(tmp_path / "a.nii", shape, mm))


def test_scans_of_patients_lie_within_the_limits(tmp_path: Path):
    for shape, mm in (((512, 512, 1900), 0.9), ((40, 40, 30), 5.0), ((64, 64, 2), 5.0)):
        check(Limits(), scan(tmp_path / "a.nii", shape, mm))


def test_memory_after_resampling_counts_as_well(tmp_path: Path):
    coarse = scan(tmp_path / "a.nii", (60, 60, 60), 40)
    check(Limits(), coarse)
    with pytest.raises(UnreadableVolumeError, match=r"takes 55\.3 GB"):
        check(Limits(), coarse, 1.0)
    check(Limits(gigabytes=60), coarse, 1.0)


def test_channels_are_in_memory_together(tmp_path: Path):
    volume = scan(tmp_path / "a.nii", (512, 512, 1900), 0.9)  # 2 GB
    check(Limits(), volume, channels=4)
    with pytest.raises(UnreadableVolumeError, match=r"takes 9\.96 GB"):
        check(Limits(), volume, channels=5)


@pytest.mark.parametrize(
    "settings",
    [{"extent_mm": 3}, {"extent_mm": (3, 2)}, {"extent_mm": (-1, 2)}, {"voxel_mm": "x"}, {"gigabytes": -1}],
)
def test_limits_that_are_none_are_named(settings: dict[str, object]):
    with pytest.raises(SettingError, match=f"limits.{next(iter(settings))}"):
        Limits(**settings)


BOMB = """
import resource, sys
from pathlib import Path
from agg2exp.store.nifti import UnreadableVolumeError, read_volume
import nibabel, numpy
room = 400 << 20
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
try:
    read_volume(Path(sys.argv[1]))
except UnreadableVolumeError as error:
    print("refused:", error)
"""


def refused(path: Path) -> str:
    """What a process with 400 MiB of memory to spare says of a file."""
    done = subprocess.run([sys.executable, "-c", BOMB, path], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused:")
    return done.stdout


def test_a_file_that_unpacks_to_more_than_its_header_says_is_refused_in_little_memory(tmp_path: Path):
    small = stored(tmp_path / "small.nii", np.zeros((8, 8, 8), np.int16), Grid((8, 8, 8), np.eye(4))).read_bytes()
    with gzip.open(tmp_path / "a.nii.gz", "wb", compresslevel=1) as file:
        file.write(small)
        for _ in range(64):
            file.write(bytes(16 << 20))
    assert (tmp_path / "a.nii.gz").stat().st_size < 10 << 20
    assert "holds more than the (8, 8, 8) voxels" in refused(tmp_path / "a.nii.gz")


def test_a_header_that_promises_what_the_file_lacks_takes_no_memory(tmp_path: Path):
    scan(tmp_path / "a.nii", (2000, 2000, 2000), 1)
    assert "damaged or cut off" in refused(tmp_path / "a.nii")
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY  # of this process, as before
