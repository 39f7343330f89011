"""Scans and predictions of cases that a finished run explained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agg2exp.analysis.joining import group_names
from agg2exp.data.reading.annotation import merged, united
from agg2exp.data.reading.fingerprint import scan_digest
from agg2exp.data.reading.masks import MaskReader
from agg2exp.domain.case import Grid
from agg2exp.domain.errors import CaseError, DataError
from agg2exp.domain.files import Origin
from agg2exp.domain.labels import Labels
from agg2exp.domain.names import safe_name
from agg2exp.domain.upright import upright
from agg2exp.figures.shown_scan import ShownScan
from agg2exp.report.data_set import DataSet
from agg2exp.report.outlier_slices import Scan
from agg2exp.store.case_store import CaseStore, DamagedResultError
from agg2exp.store.nifti import UnreadableVolumeError, read_volume


def read_scan(data: DataSet, case: str, target: str) -> Scan:
    """The scan of a case from where the run found it, and the prediction that the run wrote.

    Where the scan lies, and what it is, stands in the result of the case; nothing that the run's configuration names
    is made or called.

    Raises:
        DataError: Either is no longer there or never was, or another scan is there now.
    """
    folder = _run_of(data, case)
    volumes = folder / "volumes" / safe_name(case)
    names = group_names(data.labels.classes, data.join)
    members = [c for c, name in enumerate(names) if name == target]
    predictions = _predictions(data.labels, volumes, members)
    for path in predictions:
        if not path.is_file():
            raise DataError(f"case {case}: expected its prediction at {path}, got none (callbacks.volumes)")
    try:
        origin = CaseStore(folder).read(case).origin
        if origin is None:
            raise DataError(
                f"case {case}: the run was made by an earlier version, which did not keep where its scan lies. "
                "Explain the case again to see it."
            )
        _check_same_scan(case, origin)
        image, grid = read_volume(origin.images[0])
        wanted = members if data.labels.exclusive else [1]  # of a label map, or of a mask
        predicted = [np.isin(_beside(grid, path), wanted) for path in predictions]
        annotated = _annotated(case, data.labels, origin, grid, members)
        attribution = volumes / f"attribution_{safe_name(target)}.nii.gz"
        return Scan(
            shown=ShownScan.of(image[None], grid, origin.display[:1]),
            predicted=np.any(predicted, axis=0),
            annotated=None if annotated is None else upright(annotated, grid),
            attribution=_beside(grid, attribution) if attribution.is_file() else None,
        )
    except (OSError, CaseError, UnreadableVolumeError, DamagedResultError) as error:
        raise DataError(f"case {case}: its scan cannot be read again: {error}") from error


def _predictions(labels: Labels, volumes: Path, members: Sequence[int]) -> list[Path]:
    """The label map, or the masks of some classes that may overlap others; see `VolumeWriter`."""
    if labels.exclusive:
        return [volumes / "prediction.nii.gz"]
    return [volumes / f"prediction_{safe_name(labels.classes[c])}.nii.gz" for c in members]


def _annotated(
    case: str, labels: Labels, origin: Origin, grid: Grid, members: Sequence[int]
) -> NDArray[np.bool_] | None:
    """The mask of some classes together as annotated; None without any file."""
    files = [[f for f in origin.annotation.get(name, ()) if f.path.is_file()] for name in labels.classes]
    if not any(files):
        return None
    reader = MaskReader(case, grid, origin.threshold)
    if labels.exclusive:
        return np.isin(merged(files, reader), members)
    return np.asarray(united([files[c] for c in members], reader).any(axis=0))


def _run_of(data: DataSet, case: str) -> Path:
    for folder in data.runs:
        if CaseStore(folder).path(case).is_file():
            return folder
    raise DataError(f"case {case}: there are no scans beside {'the runs' if data.runs else 'a published table'}")


def _check_same_scan(case: str, origin: Origin) -> None:
    """Raise unless the scan that the run explained lies where it was."""
    for path in origin.images:
        if not path.is_file():
            raise DataError(f"case {case}: expected its scan at {path}, got none. Was the data set moved?")
    if scan_digest(origin.images) != origin.digest:
        raise DataError(
            f"case {case}: expected the scan that the run explained at {origin.images[0]}, got another one."
        )


def _beside(grid: Grid, path: Path) -> NDArray[Any]:
    """A volume that the run wrote on the scan's grid, upright."""
    volume, written = read_volume(path)
    order = grid.order_of(written)
    if order is None:
        raise DataError(f"{path} lies elsewhere in space than the scan, which was moved or exchanged after the run")
    return upright(order(volume), grid)
