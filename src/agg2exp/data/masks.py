"""Masks and label maps of a case, on the scan's own grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agg2exp.data.records import CaseRecord, MaskFile
from agg2exp.domain.case import Grid
from agg2exp.domain.errors import CaseError
from agg2exp.io.nifti import UnreadableVolumeError, read_volume

LARGEST_LABEL = 1 << 24  # what resampling keeps exactly


def read_mask(case_id: str, path: Path, native: Grid) -> NDArray[np.bool_]:
    """A binary mask (D, H, W) on the scan's own grid.

    Raises:
        CaseError: The file cannot be read, or its grid is not the scan's.
    """
    return MaskFile(path).of(_on_grid(case_id, path, native))


def read_extra_masks(record: CaseRecord, native: Grid) -> dict[str, NDArray[np.bool_]]:
    """The extra masks that were supplied, (D, H, W) each on the scan's own grid; each file is read once.

    Raises:
        CaseError: A file cannot be read, or its grid is not the scan's.
    """
    paths = dict.fromkeys(mask.path for mask in record.extra.values() if mask.path.is_file())
    volumes = {path: _on_grid(record.id, path, native) for path in paths}
    return {name: mask.of(volumes[mask.path]) for name, mask in record.extra.items() if mask.path in volumes}


def read_label_map(case_id: str, path: Path, native: Grid) -> NDArray[np.int32]:
    """A label map (D, H, W) on the scan's own grid, with the labels of the file.

    Raises:
        CaseError: The file cannot be read, its grid is not the scan's, or its labels are not whole or beyond ±2^24.
    """
    stored = _on_grid(case_id, path, native)
    with np.errstate(invalid="ignore"):  # what does not fit, is not whole or not finite is found below
        labels = stored.astype(np.int32)
    if not np.array_equal(labels, stored) or labels.min() < -LARGEST_LABEL or labels.max() > LARGEST_LABEL:
        raise CaseError(
            case_id,
            f"expected whole numbers from {-LARGEST_LABEL} to {LARGEST_LABEL} as labels in {path}, got others "
            f"(from {stored.min()} to {stored.max()}). Resample it by nearest neighbour, or renumber it.",
        )
    return labels


def _on_grid(case_id: str, path: Path, native: Grid) -> NDArray[Any]:
    """Voxels of a file that lies on the scan's own grid."""
    try:
        volume, grid = read_volume(path)
    except UnreadableVolumeError as error:
        raise CaseError(case_id, str(error)) from error
    if grid.shape != native.shape:
        raise CaseError(
            case_id,
            f"expected {path.name} on the scan's grid {native.shape}, got {grid.shape}. Resample it.",
        )
    if not np.allclose(grid.affine, native.affine, atol=0.05 * min(native.spacing)):
        raise CaseError(
            case_id,
            f"{path.name} lies elsewhere in space than the scan (affine\n{grid.affine}\nagainst\n"
            f"{native.affine}). Resample it to the scan's grid.",
        )
    return volume
