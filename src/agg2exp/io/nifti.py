"""NIfTI files in and out; results return to the scan's own grid."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from agg2exp.domain.case import Grid
from agg2exp.io.atomic import written_whole

BROKEN = (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError)  # what broken files raise


class UnreadableVolumeError(RuntimeError):
    """A file is not a readable 3D NIfTI volume."""


def read_volume(path: Path) -> tuple[NDArray[Any], Grid]:
    """Voxels (D, H, W) and grid of a 3D NIfTI file, as stored.

    Raises:
        UnreadableVolumeError: The file is missing, damaged, not 3D, or its affine is singular.
    """
    try:
        image: Any = nib.load(path)
        if path.name.endswith(".nii.gz"):  # nib.load alone never reads the checksum at the end
            image = type(image).from_bytes(gzip.decompress(path.read_bytes()))
        data = np.asanyarray(image.dataobj)
    except FileNotFoundError as error:
        raise UnreadableVolumeError(
            f"expected a NIfTI file at {path}, found none. Fetch the file again, or leave the case out."
        ) from error
    except BROKEN as error:
        raise UnreadableVolumeError(
            f"{path} cannot be read as NIfTI, it is damaged or cut off ({type(error).__name__}: {error}). "
            "Copy or convert the file again."
        ) from error
    if data.ndim == 4 and data.shape[3] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise UnreadableVolumeError(
            f"{path}: expected a 3D volume, got {data.ndim}D of shape {data.shape}. "
            "Give one time point or channel per file."
        )
    if data.dtype.kind not in "biuf":
        raise UnreadableVolumeError(f"{path}: expected one number per voxel, got {data.dtype}. Convert the file.")
    grid = Grid(data.shape, np.asarray(image.affine, dtype=np.float64))
    if not (np.isfinite(grid.affine).all() and grid.voxel_volume > 0):
        raise UnreadableVolumeError(
            f"{path}: its affine\n{grid.affine}\ndoes not span three dimensions. Repair the header."
        )
    return data, grid


def read_volume_mm3(path: Path) -> float:
    """Cubic millimetres that a NIfTI file covers, from its header alone.

    Raises:
        UnreadableVolumeError: The header cannot be read.
    """
    try:
        image: Any = nib.load(path)
        return float(np.prod(image.shape[:3]) * Grid(image.shape[:3], image.affine).voxel_volume)
    except BROKEN as error:
        raise UnreadableVolumeError(f"the header of {path} cannot be read ({error})") from error


def to_native(volume: NDArray[Any], grid: Grid, native: Grid, *, labels: bool) -> NDArray[Any]:
    """Resample a volume (D, H, W) on `grid` to the scan's own grid.

    Args:
        volume: Voxels on `grid`.
        grid: The preprocessed grid.
        native: The scan's own grid.
        labels: Nearest voxel (label maps) instead of linear interpolation; the border continues outside.
    """
    index = np.linalg.inv(grid.affine) @ native.affine  # native voxel index -> preprocessed voxel index
    return np.asarray(
        affine_transform(
            volume,
            index[:3, :3],
            index[:3, 3],
            output_shape=native.shape,
            order=0 if labels else 1,
            mode="nearest",
        )
    )


def write_volume(path: Path, volume: NDArray[Any], grid: Grid) -> None:
    """Write a `.nii.gz` whole or not at all; millimetres, RAS+ world, opens in 3D Slicer."""
    image = nib.Nifti1Image(volume, grid.affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(grid.affine, code=1)
    image.set_sform(grid.affine, code=1)
    with written_whole(path) as temporary:
        nib.save(image, temporary)
