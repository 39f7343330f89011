"""What a file of weights holds, read without running code."""

from __future__ import annotations

import argparse
import collections
import pathlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

FOLDER = 0x10  # attribute of a part of an archive
DEEPEST = 3
"""Levels of dicts below which no weights are looked for."""


class WeightsError(RuntimeError):
    """A checkpoint does not fit the network or the settings of its model."""


@dataclass(frozen=True)
class WeightsFile:
    """Names -> tensors, by the place in the file, such as "state_dict"; "" for the file itself.

    Attributes:
        path: The file.
        places: Every mapping of names to tensors in it.
        header: What a safetensors file says of itself.
    """

    path: Path
    places: Mapping[str, Mapping[str, Tensor]]
    header: Mapping[str, str] = field(default_factory=dict)


def read_weights(path: Path) -> WeightsFile:
    """A `.safetensors` file, or one of `torch.save` with plain values: numbers, text, tensors, numpy's scalars.

    Raises:
        WeightsError: The file is damaged, holds objects, or holds no weights.
    """
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                state = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - no mapping
                return WeightsFile(path, {"": state}, file.metadata() or {})
        except Exception as error:
            raise WeightsError(f"{path} cannot be read as safetensors ({error}). Fetch or save it again.") from error
    try:
        _check_archive(path)
        with torch.serialization.safe_globals(_plain()):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{path} cannot be read as plain weights ({type(error).__name__}). Expected a state dict, a checkpoint "
            "that holds one, or safetensors; pickled objects are not loaded, since they can run code. "
            "Save model.state_dict() instead."
        ) from error
    places = dict(_places(content))
    if not places:
        found = f"a dict of {', '.join(map(repr, content))}" if isinstance(content, dict) else type(content).__name__
        raise WeightsError(f"{path}: expected a state dict (names -> tensors), or one inside a dict, got {found}.")
    return WeightsFile(path, places)


def _check_archive(path: Path) -> None:
    """Raise if a part of the archive that `torch.save` writes is damaged.

    PyTorch does not look at all checksums, and of a part that is marked as a folder it gives memory that nobody wrote.

    Raises:
        BadZipFile: The checksum of a part does not fit, or it is marked as a folder.
    """
    if zipfile.is_zipfile(path):  # the form before PyTorch 1.6 is none
        with zipfile.ZipFile(path) as archive:
            folders = [part.filename for part in archive.infolist() if part.is_dir() or part.external_attr & FOLDER]
            damaged = next(iter(folders), None) or archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"{damaged} is damaged")


def _places(content: object, place: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The mappings that hold nothing but tensors, with the keys that lead to them."""
    if not isinstance(content, Mapping) or depth > DEEPEST:
        return
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if tensors and (len(tensors) == len(content) or not place):
        yield place, tensors
    for key, value in content.items():
        yield from _places(value, f"{place}.{key}" if place else str(key), depth + 1)


def _plain() -> list[Any]:
    """Classes that checkpoints hold beside tensors, and that do nothing but keep values."""
    from numpy._core import multiarray

    scalar, array = multiarray.scalar, multiarray._reconstruct  # how numpy pickles both
    kinds = [getattr(np.dtypes, name) for name in np.dtypes.__all__ if name not in ("ObjectDType", "VoidDType")]
    old = [(scalar, "numpy.core.multiarray.scalar"), (array, "numpy.core.multiarray._reconstruct")]
    paths = [pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath]
    return [scalar, array, *old, np.dtype, np.ndarray, *kinds, collections.defaultdict, argparse.Namespace, *paths,
            *(list, dict, set, int, float)]  # fmt: skip
