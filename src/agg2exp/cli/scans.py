"""Scans and predictions of cases that a finished run explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from numpy.typing import NDArray
from omegaconf import OmegaConf

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import CaseError, DataError
from agg2exp.domain.names import safe_name
from agg2exp.io.case_store import CaseStore
from agg2exp.io.nifti import UnreadableVolumeError, read_volume
from agg2exp.report.data_set import DataSet
from agg2exp.report.outlier_slices import Scan

OURS = "agg2exp."


def read_scan(data: DataSet, case: str, target: str) -> Scan:
    """The scan of a case from where the run found it, and the prediction that the run wrote.

    Raises:
        DataError: Either is no longer there or never was, or a class that is not agg2exp's reads the scans.
    """
    folder = _run_of(data, case)
    prediction = folder / "volumes" / safe_name(case) / "prediction.nii.gz"
    if not prediction.is_file():
        raise DataError(f"case {case}: expected its prediction at {prediction}, got none (callbacks.volumes)")
    config = OmegaConf.load(folder / "config.yaml")
    settings = OmegaConf.to_container(config.data, resolve=True)
    foreign = [name for name in _targets(settings) if not _is_ours(name)]
    if foreign:  # the file of a run is no reason to run whatever it names
        raise DataError(f"case {case}: its scan is read by {foreign[0]}, which is not part of agg2exp")
    try:
        module = instantiate(settings, _convert_="object")
        (record,) = module.records(config.data.split, [case])
        image, grid = read_volume(record.image)
        labels = module.layout.labels(record, grid)
        attribution = prediction.with_name(f"attribution_{safe_name(target)}.nii.gz")
        return Scan(
            image=_upright(image, grid),
            predicted=_upright(*read_volume(prediction)),
            annotated=None if labels is None else _upright(labels, grid),
            attribution=_upright(*read_volume(attribution)) if attribution.is_file() else None,
            spacing=_turned(image, grid).header.get_zooms()[:3],
        )
    except (ValueError, OSError, CaseError, UnreadableVolumeError, InstantiationException) as error:
        raise DataError(f"case {case}: its scan cannot be read again: {error}") from error


def _run_of(data: DataSet, case: str) -> Path:
    for folder in data.runs:
        if CaseStore(folder).path(case).is_file():
            return folder
    raise DataError(f"case {case}: there are no scans beside {'the runs' if data.runs else 'a published table'}")


def _targets(node: object) -> Iterator[str]:
    """Every class that a part of the configuration names, however deep in mappings and lists."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "_target_":
                yield str(value)
            else:
                yield from _targets(value)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for value in node:
            yield from _targets(value)


def _is_ours(target: str) -> bool:
    """Whether a class is defined in agg2exp; a module of agg2exp also reaches what it imports."""
    if not target.startswith(OURS):
        return False
    try:
        return str(getattr(get_object(target), "__module__", "")).startswith(OURS)
    except ImportError:
        return False


def _turned(volume: NDArray[Any], grid: Grid) -> Any:
    """The volume with axes turned to R, A, S; nothing is resampled."""
    return nib.as_closest_canonical(nib.Nifti1Image(volume, grid.affine, dtype=volume.dtype))


def _upright(volume: NDArray[Any], grid: Grid) -> NDArray[Any]:
    return np.asanyarray(_turned(volume, grid).dataobj)
