"""Scans and predictions of cases that a finished run explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from agg2exp.data.reading.annotation import merged
from agg2exp.data.reading.fingerprint import scan_digest
from agg2exp.data.reading.masks import MaskReader
from agg2exp.domain.case import Grid
from agg2exp.domain.errors import CaseError, DataError
from agg2exp.domain.files import Origin
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
    prediction = folder / "volumes" / safe_name(case) / "prediction.nii.gz"
    if not prediction.is_file():
        raise DataError(f"case {case}: expected its prediction at {prediction}, got none (callbacks.volumes)")
    try:
        origin = CaseStore(folder).read(case).origin
        if origin is None:
            raise DataError(
                f"case {case}: the run was made by an earlier version, which did not keep where its scan lies. "
                "Explain the case again to see it."
            )
        _check_same_scan(case, origin)
        image, grid = read_volume(origin.images[0])
        files = [[f for f in origin.annotation.get(name, ()) if f.path.is_file()] for name in data.labels.classes]
        annotated = merged(files, MaskReader(case, grid, origin.threshold)) if any(files) else None
        attribution = prediction.with_name(f"attribution_{safe_name(target)}.nii.gz")
        return Scan(
            shown=ShownScan.of(image[None], grid, origin.display[:1]),
            predicted=_beside(grid, prediction),
            annotated=None if annotated is None else upright(annotated, grid),
            attribution=_beside(grid, attribution) if attribution.is_file() else None,
        )
    except (OSError, CaseError, UnreadableVolumeError, DamagedResultError) as error:
        raise DataError(f"case {case}: its scan cannot be read again: {error}") from error


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
