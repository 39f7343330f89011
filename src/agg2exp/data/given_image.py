"""Images as Python hands them over: a file, an array, or an image of MONAI, nibabel, ITK or SimpleITK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import SettingError
from agg2exp.store.nifti import UnreadableVolumeError, open_volume

FORMS = (
    "the path of a NIfTI file; an array (D, H, W) or (C, D, H, W); a pair (array, affine); a MONAI MetaTensor; an "
    "image of nibabel, ITK or SimpleITK; or one of these for each channel as {name: image}"
)
WITHOUT_AFFINE = (
    "the image came as an array without affine: its voxels are taken for 1 mm cubes whose axes point to right, "
    "anterior and superior. Give (array, affine) if they are not"
)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class GivenImage:
    """A scan in memory.

    Attributes:
        voxels: (C, D, H, W) as given.
        grid: Where they lie.
        channels: Names of the channels (C), "0", "1", … where they have none.
        path: The file that it came from, if it is one.
        notices: What had to be assumed.
    """

    voxels: NDArray[Any]
    grid: Grid
    channels: tuple[str, ...]
    path: Path | None = None
    notices: tuple[str, ...] = ()


def given_image(image: object, setting: str = "image") -> GivenImage:
    """Read or convert an image.

    Args:
        image: See `FORMS`.
        setting: What it is called in errors.

    Raises:
        SettingError: It is of another kind, has another number of axes, is empty, or its channels lie on other grids.
        UnreadableVolumeError: The file is missing or damaged.
    """
    if isinstance(image, Mapping):
        return _channels(image, setting)
    if isinstance(image, str | PathLike):
        return _file(Path(image).expanduser())
    if isinstance(image, tuple) and len(image) == 2:
        array, affine = image
        return _array(_plain(array, setting), _affine(affine, setting), setting)
    kind = type(image).__module__.partition(".")[0]
    if kind == "SimpleITK":
        return _simple_itk(image, setting)
    if kind == "itk":
        return _itk(image, setting)
    if kind == "nibabel":
        return _nibabel(image, setting)
    affine = getattr(image, "affine", None) if isinstance(image, torch.Tensor) else None
    if affine is not None:  # MONAI's MetaTensor
        return _array(_plain(image, setting), _affine(affine, setting), setting)
    return _array(_plain(image, setting), None, setting)


def _file(path: Path) -> GivenImage:
    stored = open_volume(path)
    return GivenImage(stored.voxels()[None], stored.grid, ("0",), path, tuple(stored.header.notices))


def _array(array: NDArray[Any], affine: NDArray[np.float64] | None, setting: str) -> GivenImage:
    """(D, H, W) or (C, D, H, W)."""
    if array.ndim not in (3, 4) or array.size == 0:
        raise SettingError(
            setting, f"an array {array.shape}", "voxels (D, H, W), or (C, D, H, W) with several channels"
        )
    if array.dtype.kind not in "biuf":  # complex numbers, colours
        raise SettingError(setting, f"an array of {array.dtype}", "one number for each voxel and channel")
    voxels = array if array.ndim == 4 else array[None]
    d, h, w = voxels.shape[1:]
    notices = () if affine is not None else (WITHOUT_AFFINE,)
    grid = Grid((d, h, w), np.eye(4) if affine is None else affine)
    return GivenImage(voxels, grid, tuple(map(str, range(len(voxels)))), None, notices)


def _channels(images: Mapping[Any, object], setting: str) -> GivenImage:
    """One channel per entry, all in the order of the first one's voxels."""
    if not images:
        raise SettingError(setting, {}, "at least one channel")
    given = {str(name): given_image(image, f"{setting}[{name!r}]") for name, image in images.items()}
    first = next(iter(given.values()))
    volumes = []
    for name, channel in given.items():
        order = first.grid.order_of(channel.grid)
        if len(channel.voxels) != 1 or order is None:
            came = f"{len(channel.voxels)} x {channel.grid.shape}"
            allowed = f"one channel on the grid of the first, {first.grid.shape}; resample it"
            raise SettingError(f"{setting}[{name!r}]", came, allowed)
        volumes.append(order(channel.voxels[0]))
    notices = tuple(dict.fromkeys(notice for channel in given.values() for notice in channel.notices))
    return GivenImage(np.stack(volumes), first.grid, tuple(given), first.path, notices)


def _plain(array: object, setting: str) -> NDArray[Any]:
    if isinstance(array, torch.Tensor):
        plain = array.detach().cpu().as_subclass(torch.Tensor)
        return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()  # NumPy has no bfloat16
    if isinstance(array, np.ndarray):
        return array
    raise SettingError(setting, type(array).__name__, FORMS)


def _affine(affine: object, setting: str) -> NDArray[np.float64]:
    matrix = np.asarray(affine.cpu() if isinstance(affine, torch.Tensor) else affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.linalg.det(matrix[:3, :3]):
        allowed = "a finite, invertible (4, 4) matrix from voxel indices to millimetres in RAS"
        raise SettingError(f"affine of {setting}", matrix.tolist(), allowed)
    return matrix


def _nibabel(image: Any, setting: str) -> GivenImage:
    """Axes (D, H, W), or (D, H, W, C)."""
    voxels = np.asanyarray(image.dataobj)
    voxels = np.moveaxis(voxels, 3, 0) if voxels.ndim == 4 else voxels
    return _array(voxels, _affine(image.affine, setting), setting)


def _simple_itk(image: Any, setting: str) -> GivenImage:
    import SimpleITK as sitk  # noqa: N813 - its usual name

    direction = np.array(image.GetDirection())
    return _of_itk(image, sitk.GetArrayFromImage(image), direction, image.GetDimension(), setting)


def _itk(image: Any, setting: str) -> GivenImage:
    import itk

    direction = itk.array_from_matrix(image.GetDirection())
    return _of_itk(image, itk.array_from_image(image), direction, image.GetImageDimension(), setting)


def _of_itk(
    image: Any, voxels: NDArray[Any], direction: NDArray[np.float64], dimension: int, setting: str
) -> GivenImage:
    """ITK's world is LPS, and its arrays are (W, H, D) or (W, H, D, C) of our axes."""
    if dimension != 3:
        raise SettingError(setting, f"an image of {dimension} dimensions", "one of 3")
    voxels = voxels.transpose(3, 2, 1, 0) if voxels.ndim == 4 else voxels.transpose(2, 1, 0)
    affine = np.eye(4)
    affine[:3, :3] = direction.reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return _array(voxels, LPS_TO_RAS @ affine, setting)


__all__ = ["FORMS", "WITHOUT_AFFINE", "GivenImage", "UnreadableVolumeError", "given_image"]
