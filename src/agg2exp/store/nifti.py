"""NIfTI files in and out; results return to the scan's own grid."""

from __future__ import annotations

import gzip
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from agg2exp.domain.case import Grid
from agg2exp.domain.resampling import inside, nearest
from agg2exp.store.atomic import atomic_write
from agg2exp.store.nifti_header import LONGEST_HEADER, Header, UnreadableVolumeError, parse

__all__ = ["StoredVolume", "UnreadableVolumeError", "open_volume", "read_volume", "to_native", "write_volume"]

log = logging.getLogger(__name__)

CHUNK = 1 << 24
GZIP = b"\x1f\x8b"  # what every gzip file begins with, and no header of NIfTI
PADDING = 4096  # bytes; some writers fill up the last block


@dataclass(frozen=True, eq=False)
class StoredVolume:
    """A NIfTI file whose header has been read and checked, and whose voxels have not been read yet.

    Attributes:
        path: The file.
        header: What its header says.
    """

    path: Path
    header: Header

    @property
    def grid(self) -> Grid:
        """Where its voxels lie."""
        return self.header.grid

    def voxels(self) -> NDArray[Any]:
        """Voxels (D, H, W), scaled as the header says, in the byte order of this machine.

        Never holds more than the header promises, whatever the file unpacks to.

        Raises:
            UnreadableVolumeError: The file is damaged, cut off, or longer than its header says.
        """
        try:
            with _opened(self.path) as file:
                content = _at_most(file, self.header.offset + self.header.n_bytes)
                surplus = len(_at_most(file, PADDING + 1))  # to the end, where gzip keeps its checksum
            if surplus <= PADDING:
                image = self.header.format.from_bytes(bytes(content))
                data: NDArray[Any] = np.asanyarray(image.dataobj).reshape(self.grid.shape)
                return data if data.dtype.isnative else data.astype(data.dtype.newbyteorder("="))
        except Exception as error:  # bytes may be anything, and so is what nibabel raises
            raise _damaged(self.path, f"{type(error).__name__}: {error}") from error
        raise _damaged(self.path, f"it holds more than the {self.grid.shape} voxels of its header")


def open_volume(path: Path) -> StoredVolume:
    """Read and check the header of a 3D NIfTI file.

    Raises:
        UnreadableVolumeError: The file is missing, no NIfTI, not 3D, or its header contradicts itself.
    """
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise UnreadableVolumeError(f"{path}: expected a NIfTI file, .nii or .nii.gz. Convert the file.")
    try:
        with _opened(path) as file:
            raw = file.read(LONGEST_HEADER)
    except FileNotFoundError as error:
        raise UnreadableVolumeError(
            f"expected a NIfTI file at {path}, found none. Fetch the file again, or leave the case out."
        ) from error
    except PermissionError as error:
        raise UnreadableVolumeError(f"{path} must not be read ({error.strerror}). Change its permissions.") from error
    except IsADirectoryError as error:
        raise UnreadableVolumeError(
            f"expected a NIfTI file at {path}, got a folder. Put the file in its place."
        ) from error
    except Exception as error:  # gzip and zlib have errors of many kinds
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    try:
        return StoredVolume(path, parse(raw))
    except UnreadableVolumeError as error:
        raise UnreadableVolumeError(f"{path} cannot be read as NIfTI: {error}.") from error


def read_volume(path: Path) -> tuple[NDArray[Any], Grid]:
    """Voxels (D, H, W) and grid of a 3D NIfTI file; what its header leaves open is a warning.

    Raises:
        UnreadableVolumeError: The file is missing, damaged, not 3D, or its header contradicts itself.
    """
    stored = open_volume(path)
    for notice in stored.header.notices:
        log.warning("%s: %s", path, notice)
    return stored.voxels(), stored.grid


def _opened(path: Path) -> IO[bytes]:
    """The unpacked content; packed is what looks so, whatever its name says, as for ITK and FSL."""
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _at_most(file: IO[bytes], n_bytes: int) -> bytearray:
    """The next bytes, piece by piece, so that a header that promises too much takes no memory."""
    content = bytearray()
    while len(content) < n_bytes and (piece := file.read(min(CHUNK, n_bytes - len(content)))):
        content += piece
    return content


def _damaged(path: Path, problem: str) -> UnreadableVolumeError:
    return UnreadableVolumeError(
        f"{path} cannot be read as NIfTI, it is damaged or cut off ({' '.join(problem.split())}). "
        "Copy or convert the file again."
    )


def to_native(volume: NDArray[Any], grid: Grid, native: Grid, *, labels: bool) -> NDArray[Any]:
    """Resample a volume (D, H, W) on `grid` to the scan's own grid.

    In the voxels of the scan that `grid` has a part of, the border continues; outside `grid`, as beyond a crop, all is
    0.

    Args:
        volume: Voxels on `grid`.
        grid: The preprocessed grid.
        native: The scan's own grid.
        labels: Nearest voxel (label maps) instead of linear interpolation.
    """
    if labels:
        result = nearest(volume, grid, native)
    else:
        index = np.linalg.inv(grid.affine) @ native.affine  # native voxel index -> preprocessed voxel index
        result = np.asarray(
            affine_transform(volume, index[:3, :3], index[:3, 3], output_shape=native.shape, order=1, mode="nearest")
        )
    covered = inside(native, grid)
    return result if covered.all() else np.where(covered, result, result.dtype.type(0))


def write_volume(path: Path, volume: NDArray[Any], grid: Grid) -> None:
    """Write a `.nii.gz` whole or not at all; millimetres, RAS+ world, opens in 3D Slicer.

    A qform holds no shear (gantry tilt): where it would place voxels elsewhere than the sform, it is not set.
    """
    image = nib.Nifti1Image(volume, grid.affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(grid.affine, code=1)
    if not grid.same(Grid(grid.shape, image.get_qform())):
        image.set_qform(None, code=0)
    image.set_sform(grid.affine, code=1)
    with atomic_write(path) as temporary:
        nib.save(image, temporary)
