"""What `agg2exp.explain` gives back for one scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from agg2exp.domain.case import Case, Grid
from agg2exp.domain.errors import SettingError
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import Labels
from agg2exp.domain.roi_importance import Kind, importance_array, importance_by_channel_array
from agg2exp.store.case_result import CaseResult
from agg2exp.store.nifti import to_native, write_volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRONGEST = 5


@dataclass(frozen=True, eq=False)
class Map:
    """Voxel attribution of one class on the scan's own grid.

    Attributes:
        name: The class.
        values: (C, D, H, W), or (1, D, H, W) where all channels have one value together.
        grid: Grid of the scan.
    """

    name: str
    values: NDArray[np.float32]
    grid: Grid

    def to_nifti(self, path: str | Path) -> Path:
        """Write the sum over channels as `.nii.gz`, for 3D Slicer and the like.

        Raises:
            SettingError: The path ends in something else than .nii.gz or .nii.
        """
        if not str(path).endswith((".nii.gz", ".nii")):
            raise SettingError("path", str(path), "a path that ends in .nii.gz or .nii")
        write_volume(Path(path), self.values.sum(axis=0), self.grid)
        return Path(path)


@dataclass(frozen=True, eq=False)
class Result:
    """Prediction, attribution and RoI importance of one scan.

    Attributes:
        case: The scan as the network sees it.
        explanation: Prediction and attribution on the network's grid.
        stored: What is kept of it in the file of a run.
        labels: Names of the model's classes.
        device: Where it was computed.
        keep: Writes results into a folder as a run, and returns it.
    """

    case: Case
    explanation: Explanation
    stored: CaseResult
    labels: Labels
    device: torch.device
    keep: Callable[[Sequence[Result], Path], Path] = field(repr=False)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the explained classes (K)."""
        return self.stored.importance.targets

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the regions (R): the model's classes, then extra regions."""
        return self.stored.importance.sources

    @cached_property
    def importance(self) -> xr.DataArray:
        """RoI importance, dims (target, source, kind); NaN where it is not known, see `Kind`."""
        return importance_array(self.stored.importance.to_frame()).isel(case=0, drop=True)

    @cached_property
    def importance_by_channel(self) -> xr.DataArray:
        """Part of each channel in the importance, which is their sum: dims (target, source, channel).

        Raises:
            SettingError: The image has one channel, or the method attributes to all of them together.
        """
        frame = self.stored.importance.by_channel_frame()
        if frame.empty:
            raise SettingError("channels", list(self.case.channels), "an attribution of several channels")
        return importance_by_channel_array(frame).isel(case=0, drop=True)

    def attribution(self, name: str) -> Map:
        """Attribution of a class, interpolated linearly to the scan's own grid.

        Raises:
            SettingError: The class was not explained.
        """
        if name not in self.targets:
            raise SettingError("attribution", name, f"an explained class, one of {list(self.targets)}")
        e = self.explanation.attribution.dense(self.targets.index(name)).float().cpu().numpy()
        back = [to_native(channel, self.case.grid, self.case.native, labels=False) for channel in e]
        return Map(name, np.stack(back), self.case.native)

    def region(self, name: str) -> NDArray[np.bool_]:
        """Predicted mask of a class on the scan's own grid, (D, H, W).

        Raises:
            SettingError: The model has no such class.
        """
        (c,) = self.labels.indices(name)
        mask = self.explanation.prediction.masks.mask(c).cpu().numpy()
        return to_native(mask, self.case.grid, self.case.native, labels=True)

    def plot(self) -> Figure:
        """RoI importance as a heat map, a row per target and a column per source."""
        from agg2exp.aggregation.global_importance import global_importance
        from agg2exp.figures.anatomy import Anatomy
        from agg2exp.figures.heat_map import heat_map

        of_one = global_importance(self.stored.importance.to_frame(), Kind.IMPORTANCE)
        return heat_map(of_one, Anatomy().of(self.labels))

    def save(self, folder: str | Path) -> Path:
        """Write a run with this scan, which `agg2exp analyze`, `report` and `resume` read; returns its folder.

        Raises:
            SettingError: The folder holds other things.
        """
        return self.keep([self], Path(folder))

    def __repr__(self) -> str:
        """The strongest regions of each class, in words."""
        seconds, n = self.explanation.seconds, len(self.targets)
        lines = [f"{self.case.id}: {n} {'class' if n == 1 else 'classes'} explained in {seconds:.1f} s"]
        width = max(map(len, self.targets))
        for target, status in zip(self.targets, self.stored.importance.status, strict=True):
            row = self.importance.sel(target=target, kind=Kind.IMPORTANCE.value).to_series().dropna()
            strongest = row.sort_values(ascending=False, kind="stable")[:STRONGEST].items()
            words = ", ".join(f"{source} {share:.1%}" for source, share in strongest) if status == "ok" else status
            lines.append(f"  {target:<{width}}  {words}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Results:
    """Results of several scans, in their order.

    Attributes:
        results: Of the scans that could be explained.
        failures: By case, why the others could not.
    """

    results: tuple[Result, ...]
    failures: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __getitem__(self, case: str | int) -> Result:
        """By the case's id, or by its position."""
        if isinstance(case, int):
            return self.results[case]
        ids = [result.case.id for result in self.results]
        if case not in ids:
            raise KeyError(f"{case!r}, expected one of {ids}")
        return self.results[ids.index(case)]

    @cached_property
    def importance(self) -> xr.DataArray:
        """RoI importance, dims (case, target, source, kind)."""
        return importance_array(pd.concat([result.stored.importance.to_frame() for result in self.results]))

    def save(self, folder: str | Path) -> Path:
        """Write a run with these scans, see `Result.save`."""
        return self.results[0].keep(self.results, Path(folder))

    def __repr__(self) -> str:
        failed = [f"{case}: {why}" for case, why in self.failures.items()]
        return "\n".join([*map(repr, self.results), *failed])
