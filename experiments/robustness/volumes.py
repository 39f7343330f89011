"""NIfTI files with damaged headers and voxels: the scan that nibabel reads from them, or refused."""

from __future__ import annotations

import gzip
import io
import math
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from mutations import cut, inserted, overwritten
from numpy.typing import NDArray

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import DataError
from agg2exp.store.limits import Limits
from agg2exp.store.nifti import UnreadableVolumeError, open_volume

HEADER = 348
MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # of one unit of length, by its code


class Mutant(NamedTuple):
    """A file of a scan."""

    suffix: str
    content: bytes


def mutant(random: np.random.Generator) -> Mutant:
    """The file with bytes of its header, or any, changed, gone or added, then packed or not; one in ten as it was."""
    types = (np.int16, np.uint8, np.float32, np.float64)
    voxels = random.integers(0, 100, (16, 18, 14)).astype(types[random.integers(4)])
    image = nib.Nifti1Image(voxels, np.array([[-3, 0, 0, 20], [0, -3, 0, 30], [0, 0, 4, -10], [0, 0, 0, 1.0]]))
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    if random.random() >= 0.1:
        for _ in range(random.integers(1, 4)):
            at = random.integers(HEADER)
            part = content[:at] + random.bytes(random.integers(1, 5)) + content[at:]
            content = part[:HEADER] + content[HEADER:] if random.random() < 0.7 else content
            if random.random() < 0.3:
                content = (cut, inserted, overwritten)[random.integers(3)](content, random)
    return Mutant(".nii.gz", gzip.compress(content)) if random.random() < 0.5 else Mutant(".nii", content)


def read(file: Mutant, folder: Path) -> tuple[NDArray[np.generic], Grid]:
    """Voxels and grid, within the limits of scans."""
    path = folder / f"scan{file.suffix}"
    path.write_bytes(file.content)
    try:
        scan = open_volume(path)
        Limits().check(scan, math.prod(scan.grid.shape) * scan.grid.voxel_volume / 27)  # as at 3 mm
        return scan.voxels(), scan.grid
    except UnreadableVolumeError as error:
        raise DataError(str(error)) from error


def is_right(file: Mutant, read: tuple[NDArray[np.generic], Grid]) -> bool:
    """Whether they are what nibabel reads, in mm."""
    content = gzip.decompress(file.content) if file.suffix == ".nii.gz" else file.content
    kind = nib.Nifti2Image if content[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c") else nib.Nifti1Image
    image = kind.from_file_map({"image": nib.FileHolder(fileobj=io.BytesIO(content))})
    expected = np.asanyarray(image.dataobj)
    mm = MM[int(image.header["xyzt_units"]) % 8]
    affine = np.diag([mm, mm, mm, 1.0]) @ image.affine
    voxels, grid = read
    return np.array_equal(voxels, expected.reshape(voxels.shape), equal_nan=True) and np.allclose(
        grid.affine, affine, rtol=1e-5, atol=1e-4
    )
