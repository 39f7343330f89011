"""Masks, label maps and atlases of a case, on the scan's own grid: what their values mean is decided here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agg2exp.data.merge import Structures
from agg2exp.data.records import CaseRecord, MaskFile
from agg2exp.domain.case import SAME_VOXEL, Grid
from agg2exp.domain.errors import CaseError
from agg2exp.domain.roles import Notice
from agg2exp.store.nifti import StoredVolume, UnreadableVolumeError, open_volume
from agg2exp.store.nifti_header import MILLIMETRES

log = logging.getLogger(__name__)

LARGEST_LABEL = 1 << 24  # what resampling keeps exactly
NEAR = 0.05
"""Distance from a whole number up to which a value means it.

Labels up to 6,500 that went through a 16-bit header with a scale are that near (half a step of 6,500/65,535), also
where a later file does not tell the scale any more. A soft mask has values in between.
"""
HALF = 0.51  # a step of a scaled file; it stores scale and offset with seven digits
COARSEST = 0.49
"""Coarsest step of a scaled file whose values mean whole numbers: each is half a step away at most, never halfway."""


def is_there(case_id: str, path: Path) -> bool:
    """Whether a file exists; what stands in its place without being one is no absence.

    Raises:
        CaseError: Its folder must not be read, the name is none, or it is a folder or a link that leads nowhere.
    """
    try:
        if path.is_file():
            return True
        link, folder = path.is_symlink(), path.is_dir()
    except OSError as error:
        raise CaseError(case_id, f"{path} cannot be looked for ({error.strerror}). Change its permissions.") from error
    if folder:
        raise CaseError(case_id, f"expected a NIfTI file at {path}, got a folder. Put the file in its place.")
    if link:
        raise CaseError(
            case_id,
            f"expected a NIfTI file at {path}, got a link to a file that is not there. Fetch it, or remove the link.",
        )
    return False


def read_mask(
    case_id: str, path: Path, native: Grid, threshold: float | None = None, notice: Notice = log.warning
) -> NDArray[np.bool_]:
    """A binary mask (D, H, W) on the scan's own grid: 0 outside, one other value inside, whatever it is.

    Raises:
        CaseError: The file cannot be read, its grid is not the scan's, or its values are not those of a mask.
    """
    return _Values.read(case_id, path, native, notice).mask(MaskFile(path, threshold=threshold))


def merged_structures(
    case_id: str,
    structures: Structures,
    files: Mapping[str, Path],
    native: Grid,
    threshold: float | None = None,
    notice: Notice = log.warning,
) -> NDArray[np.uint8]:
    """The label map (D, H, W) of the structures that have a file; where they overlap, the later class wins.

    Raises:
        CaseError: A mask cannot be read or does not lie on the scan's grid.
    """
    merged = np.zeros(native.shape, dtype=np.uint8)
    for label, names in enumerate(structures):
        for structure in names:
            if structure in files:
                merged[read_mask(case_id, files[structure], native, threshold, notice)] = label
    return merged


def read_extra_masks(record: CaseRecord, native: Grid, notice: Notice = log.warning) -> dict[str, NDArray[np.bool_]]:
    """The extra masks that were supplied, (D, H, W) each on the scan's own grid; each file is read once.

    Raises:
        CaseError: A file cannot be read, its grid is not the scan's, or its values are not those of a mask.
    """
    paths = dict.fromkeys(mask.path for mask in record.extra.values() if is_there(record.id, mask.path))
    files = {path: _Values.read(record.id, path, native, notice) for path in paths}
    return {name: files[mask.path].mask(mask) for name, mask in record.extra.items() if mask.path in files}


def read_label_map(case_id: str, path: Path, native: Grid, notice: Notice = log.warning) -> NDArray[np.int32]:
    """A label map (D, H, W) on the scan's own grid, with the labels of the file, negative ones as well.

    Raises:
        CaseError: The file cannot be read, its grid is not the scan's, or its labels are not whole or beyond ±2^24.
    """
    return _Values.read(case_id, path, native, notice).labels


def labels_in(path: Path) -> set[int]:
    """The labels that occur in a label map; none where it cannot be read, which is the failure of its case."""
    try:
        labels = read_label_map(path.name, path, open_volume(path).grid, notice=lambda _: None)
    except (CaseError, UnreadableVolumeError):
        return set()
    return {int(label) for label in np.unique(labels)}


@dataclass(frozen=True, eq=False)
class _Values:
    """Voxels of a file that lies on the scan's grid.

    Attributes:
        case_id: The case.
        path: The file.
        voxels: (D, H, W), all finite, in the order of the scan's grid.
        tolerance: Distance from a whole number up to which a value means it.
        notice: Told what is assumed.
    """

    case_id: str
    path: Path
    voxels: NDArray[Any]
    tolerance: float
    notice: Notice

    @classmethod
    def read(cls, case_id: str, path: Path, native: Grid, notice: Notice) -> _Values:
        """Read a file, its grid before its voxels."""
        try:
            stored = open_volume(path)
            voxels = _order(case_id, stored, native)(stored.voxels())
        except UnreadableVolumeError as error:
            raise CaseError(case_id, str(error)) from error
        for sentence in stored.header.space_notices:
            notice(sentence)
        bad = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
        if bad:
            raise CaseError(
                case_id,
                f"expected whole numbers in {path}, got NaN or infinity in {bad} voxels, which are neither inside nor "
                "outside. Repair the file; if it was resampled, do it by nearest neighbour.",
            )
        step = stored.header.step
        return cls(case_id, path, voxels, max(NEAR, HALF * step) if step <= COARSEST else NEAR, notice)

    @cached_property
    def whole(self) -> NDArray[Any] | None:
        """The whole numbers that the values mean; None if they mean others, or if rounding leaves nothing of them."""
        if self.voxels.dtype.kind in "biu":
            return self.voxels
        rounded: NDArray[Any] = np.rint(self.voxels)
        furthest = float(np.abs(self.voxels - rounded).max())
        if furthest > self.tolerance or (self.voxels.any() and not rounded.any()):
            return None
        if furthest > 1e-6:
            self.notice("values of masks or label maps that a header stores inexactly (5.00003) are rounded")
        return rounded

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """Whole numbers up to ±2^24."""
        whole = self.whole
        if whole is None or whole.min() < -LARGEST_LABEL or whole.max() > LARGEST_LABEL:
            raise CaseError(
                self.case_id,
                f"expected whole numbers from {-LARGEST_LABEL} to {LARGEST_LABEL} as labels in {self.path}, got others "
                f"(from {self.voxels.min()} to {self.voxels.max()}). Resample it by nearest neighbour, or renumber it.",
            )
        return whole.astype(np.int32)

    def mask(self, file: MaskFile) -> NDArray[np.bool_]:
        """The voxels of the file's label, or those inside its mask."""
        if file.label is not None:
            return np.asarray(self.labels == file.label)
        if self.whole is not None:
            inside = self.whole.max()
            mask = np.asarray(self.whole == inside) if inside > 0 else np.zeros(self.voxels.shape, dtype=bool)
            if np.count_nonzero(mask) == np.count_nonzero(self.whole):
                self._say_what_is_inside(int(inside))
                return mask
        if file.threshold is not None:
            return np.asarray(self.voxels > file.threshold)
        raise CaseError(
            self.case_id,
            f"expected a mask in {self.path}, 0 outside and one whole number inside, got {self._in_words()}. Name one "
            "label of a label map by #5 at the path's end; for a soft mask, or for all labels of a map, set "
            "data.layout.mask_threshold (0.5: inside is what lies above it).",
        )

    def _say_what_is_inside(self, value: int) -> None:
        if value == 255:
            self.notice("masks that hold 0 and 255 are read as 0 and 1")
        elif value > 1:
            self.notice(
                f"all of {self.path.name} that is not 0 counts as inside, its only other value being {value}; if it is "
                f"a label map, name its label by #{value} at the path's end"
            )

    def _in_words(self) -> str:
        low, high = self.voxels.min(), self.voxels.max()
        if self.whole is None:
            return f"values between whole numbers (from {low:.4g} to {high:.4g})"
        if low < 0:
            return f"values below 0 (from {low} to {high})"
        values = np.unique(self.whole)
        some = ", ".join(f"{value:g}" for value in values[:5])
        return f"{len(values)} values ({some}{', …' if len(values) > 5 else ''})"


def _order(case_id: str, stored: StoredVolume, native: Grid) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What brings the voxels of a file into the order of the scan's grid, which they lie on.

    A file that does not say its unit of length may mean that of the scan.
    """
    grids = [stored.grid] if stored.header.unit_known else [stored.grid.scaled(mm) for mm in MILLIMETRES.values()]
    order = next(filter(None, map(native.order_of, grids)), None)
    if order is not None:
        return order
    grid, name = stored.grid, stored.path.name
    if sorted(grid.shape) != sorted(native.shape):
        raise CaseError(case_id, f"expected {name} on the scan's grid {native.shape}, got {grid.shape}. Resample it.")
    apart = native.distance(grid)
    far = f", with corner voxels up to {apart:.3g} mm from those of the scan" if np.isfinite(apart) else ""
    raise CaseError(
        case_id,
        f"{name} lies elsewhere in space than the scan{far}; {SAME_VOXEL * min(native.spacing):.2g} mm pass. "
        "Resample it to the scan's grid, or repair its header.",
    )
