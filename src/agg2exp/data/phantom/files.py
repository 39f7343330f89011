"""Files of phantoms, written whole and compared by their voxels."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from agg2exp.data.phantom.phantom import Phantom
from agg2exp.store.atomic import atomic_write


def write_files(phantom: Phantom, folder: Path) -> None:
    """Image and masks of one phantom, into a new folder."""
    (folder / "segmentations").mkdir()
    (folder / "pathologies").mkdir()
    write_nifti(folder / "ct.nii.gz", phantom.image, phantom.affine)
    for name, mask in phantom.masks.items():
        write_nifti(folder / "segmentations" / f"{name}.nii.gz", mask.astype(np.uint8), phantom.affine)
    for name, mask in phantom.pathologies.items():
        write_nifti(folder / "pathologies" / f"{name}.nii.gz", mask.astype(np.uint8), phantom.affine)


def write_nifti(path: Path, array: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> None:
    """Fast compression, and no time stamp: the same phantom gives the same bytes."""
    image = nib.nifti1.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))


def same_voxels(path: Path, other: Path) -> bool:
    """Whether two files hold the same, however they are compressed."""
    try:
        return gzip.decompress(path.read_bytes()) == gzip.decompress(other.read_bytes())
    except (OSError, EOFError, zlib.error):
        return False


def write_text(path: Path, text: str) -> None:
    """Write a text whole or not at all."""
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8")
