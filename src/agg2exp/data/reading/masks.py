"""Masks, label maps and atlases of a case, on the scan's own grid: what their values mean is decided here."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agg2exp.data.reading.order import order_of
from agg2exp.domain.case import Grid
from agg2exp.domain.errors import CaseError
from agg2exp.domain.files import MaskFile
from agg2exp.domain.roles import Notice
from agg2exp.store.nifti import UnreadableVolumeError, open_volume

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


class MaskReader:
    """Reads masks of one case onto the scan's own grid; a file of several regions that follow each other once.

    Args:
        case_id: The case, named in errors.
        native: The scan's own grid.
        threshold: What is above it is inside, in a file of more values than 0 and one other; None refuses such files.
        notice: Told what had to be assumed.
    """

    def __init__(
        self, case_id: str, native: Grid, threshold: float | None = None, notice: Notice = log.warning
    ) -> None:
        self.case_id = case_id
        self.native = native
        self.threshold = threshold
        self.notice = notice
        self._last: _Values | None = None

    def mask(self, file: MaskFile) -> NDArray[np.bool_]:
        """A mask (D, H, W): 0 outside, one other value inside, whatever it is; or the voxels of a label of a map.

        Raises:
            CaseError: The file cannot be read, its grid is not the scan's, or its values are not those of a mask.
        """
        if self._last is None or self._last.path != file.path:
            self._last = None  # two files are not held at once
            self._last = _Values.read(self.case_id, file.path, self.native, self.notice)
        return self._last.mask(file, self.threshold)


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
            voxels = order_of(case_id, stored, native)(stored.voxels())
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

    def mask(self, file: MaskFile, threshold: float | None) -> NDArray[np.bool_]:
        """The voxels of the file's label, or those inside its mask."""
        if file.label is not None:
            return np.asarray(self.labels == file.label)
        if self.whole is not None:
            inside = self.whole.max()
            mask = np.asarray(self.whole == inside) if inside > 0 else np.zeros(self.voxels.shape, dtype=bool)
            if np.count_nonzero(mask) == np.count_nonzero(self.whole):
                self._say_what_is_inside(int(inside))
                return mask
        if threshold is not None:
            return np.asarray(self.voxels > threshold)
        raise CaseError(
            self.case_id,
            f"expected a mask in {self.path}, 0 outside and one whole number inside, got {self._in_words()}. Name one "
            "label of a label map by #5 at the path's end; for a soft mask, or for all labels of a map, set "
            "data.mask_threshold (0.5: inside is what lies above it).",
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
