"""Where the header of a NIfTI file says that its voxels lie: read or questioned, never guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

from agg2exp.domain.case import Grid

FORMATS = (nib.Nifti1Image, nib.Nifti2Image)
LONGEST_HEADER = 540  # bytes, of NIfTI-2
MILLIMETRES = {"mm": 1.0, "meter": 1e3, "micron": 1e-3}
UNKNOWN_UNIT = "a file does not say its unit of length (xyzt_units): millimetres are assumed"
LARGEST_STRETCH = 1.2
"""Ratio of the spacings of sform and qform up to which both may mean one scan: gantry tilt of 30 degrees has 1.15."""


class UnreadableVolumeError(RuntimeError):
    """A file is not a readable 3D NIfTI volume."""


@dataclass(frozen=True, eq=False)
class Header:
    """What a header says, checked.

    Attributes:
        grid: The voxel grid in mm, without trailing axes of one.
        format: nibabel's class for the file.
        offset: Bytes before the first voxel.
        n_bytes: Bytes of all voxels.
        step: Distance of two values that the file can hold; 0 if it holds its values as they are.
        unit_known: Whether the file says its unit of length; if not, the grid takes it for mm.
        space_notices: What else it does not say about space and is assumed, a sentence each.
    """

    grid: Grid
    format: Any
    offset: int
    n_bytes: int
    step: float
    unit_known: bool
    space_notices: tuple[str, ...]

    @property
    def notices(self) -> tuple[str, ...]:
        """All that the file does not say and is assumed, a sentence each."""
        return (*(() if self.unit_known else (UNKNOWN_UNIT,)), *self.space_notices)


def parse(raw: bytes) -> Header:
    """The header in the first bytes of a file.

    Raises:
        UnreadableVolumeError: They are no header of one 3D volume, or contradict themselves; the path is not in it.
    """
    try:
        form = next(f for f in FORMATS if f.header_class.may_contain_header(raw))
        plain = form.header_class(raw[: form.header_class.sizeof_hdr], check=False)
        offset = _offset(plain)
        header: Any = form.header_class(raw[: form.header_class.sizeof_hdr])
        shape, dtype = header.get_data_shape(), header.get_data_dtype()
    except UnreadableVolumeError:
        raise
    except StopIteration as error:
        raise UnreadableVolumeError(
            f"it is damaged or no NIfTI, expected a header of NIfTI-1 or NIfTI-2, got {_in_words(raw)}. Fetch the file "
            "again, or convert it"
        ) from error
    except Exception as error:  # bytes may be anything, and so is what nibabel raises
        raise UnreadableVolumeError(f"its header is damaged ({type(error).__name__}: {error})") from error
    n_bytes = math.prod(map(int, shape)) * dtype.itemsize
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise UnreadableVolumeError(
            f"expected a 3D volume, got {len(shape)}D of shape {tuple(map(int, shape))}. "
            "Give one time point or channel per file"
        )
    if min(shape) < 1:
        raise UnreadableVolumeError(
            f"expected at least one voxel along each axis, got the shape {tuple(map(int, shape))}. Repair the header"
        )
    if dtype.kind not in "biuf":
        raise UnreadableVolumeError(f"expected one number per voxel, got {dtype}. Convert the file")
    unit, (affine, notices) = _unit(header), _affine(header, plain)
    grid = Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine).scaled(MILLIMETRES.get(unit, 1.0))
    return Header(grid, form, offset, n_bytes, _step(plain), unit in MILLIMETRES, notices)


def _in_words(raw: bytes) -> str:
    return f"one that begins with {raw[:16]!r}" if raw else "an empty file"


def _offset(plain: Any) -> int:
    """Bytes before the voxels; what lies below the header's own end would read the header as voxels."""
    if plain["magic"].item().rstrip(b"\0") != plain.single_magic.rstrip(b"\0"):
        raise UnreadableVolumeError(f"it is damaged or no NIfTI of one file, with the magic {plain['magic'].item()!r}")
    offset, least = float(plain["vox_offset"]), plain.single_vox_offset
    if not (math.isfinite(offset) and offset >= least and offset == int(offset)):
        raise UnreadableVolumeError(
            f"expected voxels that begin after the header, at a vox_offset of {least} bytes or more, got {offset:g}. "
            "Repair the header, or write the file again"
        )
    return int(offset)


def _step(plain: Any) -> float:
    slope, inter = float(plain["scl_slope"]), float(plain["scl_inter"])
    if math.isinf(slope) or (slope != 0 and math.isfinite(slope) and not math.isfinite(inter)):
        raise UnreadableVolumeError(
            f"expected finite scl_slope and scl_inter, got {slope:g} and {inter:g}. Repair the header"
        )
    return abs(slope) if math.isfinite(slope) and (slope, inter) != (1, 0) else 0.0


def _unit(header: Any) -> str:
    try:
        return str(header.get_xyzt_units()[0])
    except KeyError as error:
        raise UnreadableVolumeError(
            f"expected metres, millimetres or micrometres in xyzt_units, got the code {int(header['xyzt_units']) % 8}. "
            "Repair the header"
        ) from error


def _affine(header: Any, plain: Any) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Voxel index -> world in the file's unit, and what was assumed."""
    notices = []
    sform, qform = header.get_sform(coded=True)[0], _qform(header, plain)
    if sform is None and qform is None:
        _check_steps(plain)
        affine = header.get_best_affine()
        notices.append(
            "a file has neither sform nor qform: the first axis is taken to run to the left, the second to the front, "
            "the third upwards, as nibabel and MONAI do (ITK takes the second to run to the back)"
        )
    elif sform is None:
        affine = qform
    else:
        if qform is None and not np.allclose(plain["pixdim"][1:4], np.linalg.norm(sform[:3, :3], axis=0), rtol=1e-3):
            notices.append(
                "the size of a voxel in a file (pixdim) is not that of its sform: the sform is followed, as nibabel "
                "and MONAI do (ITK takes pixdim)"
            )
        affine = sform
        notices += _contradiction(Grid(header.get_data_shape()[:3], sform), qform)
    affine = np.asarray(affine, dtype=np.float64)
    if not _spans(affine):
        raise UnreadableVolumeError(
            f"its affine {affine[:3].tolist()} does not span three dimensions. Repair the header"
        )
    return affine, tuple(notices)


def _spans(affine: NDArray[np.float64]) -> bool:
    """Whether three dimensions are spanned, by finite numbers."""
    volume = np.linalg.det(affine[:3, :3]) if np.isfinite(affine).all() else np.nan
    return bool(np.isfinite(volume) and volume != 0)


def _qform(header: Any, plain: Any) -> NDArray[np.float64] | None:
    """The qform, None if it is not set."""
    if int(header["qform_code"]) <= 0:
        return None
    if int(header["sform_code"]) <= 0:
        _check_steps(plain)
    try:
        return np.asarray(header.get_qform(), dtype=np.float64)
    except Exception as error:  # whatever nibabel makes of broken quaternions
        raise UnreadableVolumeError(f"its qform is broken ({error}). Repair it, or set qform_code to 0") from error


def _check_steps(plain: Any) -> None:
    steps = np.asarray(plain["pixdim"][1:4], dtype=np.float64)
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise UnreadableVolumeError(f"expected the size of a voxel in pixdim, got {steps.tolist()}. Repair the header")


def _contradiction(sform: Grid, qform: NDArray[np.float64] | None) -> list[str]:
    """Follow the sform where the qform differs in place only; no number depends on that.

    Axes that point elsewhere, or voxels of another size, make another scan of it (the left for the right).
    """
    if qform is None or not (_spans(qform) and _spans(sform.affine)):
        return []
    other = Grid(sform.shape, qform)
    if sform.same(other):
        return []
    axes = ["".join(map(str, aff2axcodes(grid.affine))) for grid in (sform, other)]
    stretch = np.divide(sform.spacing, other.spacing)
    if axes[0] != axes[1] or not (stretch.min() > 1 / LARGEST_STRETCH and stretch.max() < LARGEST_STRETCH):
        raise UnreadableVolumeError(
            f"its sform (axes to {axes[0]}, {_mm(sform)} mm) contradicts its qform (axes to {axes[1]}, {_mm(other)} mm)"
            ": nibabel and MONAI would follow the first, ITK perhaps the second. Set the code of the wrong one to 0"
        )
    return [
        "sform and qform of a file place its voxels differently, but with the same axes: the sform is followed, as "
        "nibabel and MONAI do (ITK may follow the qform, since it reads no sheared sform)"
    ]


def _mm(grid: Grid) -> str:
    return " x ".join(f"{mm:.4g}" for mm in grid.spacing)
