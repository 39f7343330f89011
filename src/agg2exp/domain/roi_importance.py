"""RoI importance of one case: targets x sources, one matrix per kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray


class Kind(StrEnum):
    """What an entry [target a, source b] says. R_b: region of b; e_a: attribution of class a."""

    IMPORTANCE = "importance"  # ‖e_a ⊙ R_b‖₁ / ‖e_a‖₁ (Eq. 7)
    POSITIVE = "importance_positive"  # the same from max(e_a, 0) alone
    NEGATIVE = "importance_negative"  # the same from max(-e_a, 0) alone
    MASS = "mass"  # ‖e_a ⊙ R_b‖₁
    MEAN = "mean"  # mean of |e_a| inside R_b
    SIGNED_SUM = "signed_sum"  # Σ e_a inside R_b
    VOLUME_VOXELS = "volume_voxels"  # |R_b|
    VOLUME_MM3 = "volume_mm3"
    ENRICHMENT_VOLUME = "enrichment_volume"  # importance / share of R_b in the whole volume
    ENRICHMENT_BODY = "enrichment_body"  # the same with everything outside the body left out
    EXPECTED_BY_DISTANCE = "expected_by_distance"  # E₀: importance if attribution depended on distance alone


@dataclass(frozen=True, eq=False)
class LocalImportance:
    """RoI importance of one case.

    Attributes:
        case_id: The case.
        targets: Names of the explained classes (K).
        sources: Names of the regions (R): the model's classes (after "background" if these overlap), then extra masks.
        values: For each kind a (K, R) float64 matrix; NaN where a value is not defined. Rows of `Kind.IMPORTANCE` sum
            to 1 over exclusive classes; over overlapping regions they need not.
        status: For each target "ok", or why its row is NaN (K).
        channels: Names of the channels of the image (C), if the attribution has several; else none.
        by_channel: (K, R, C) part of each channel in `Kind.IMPORTANCE`, which is their sum; None if there are none.
        channel_shares: (K, C) part of each channel in ‖e_a‖₁, every voxel once; None if there are none.
    """

    case_id: str
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    values: Mapping[Kind, NDArray[np.float64]]
    status: tuple[str, ...]
    channels: tuple[str, ...] = ()
    by_channel: NDArray[np.float64] | None = None
    channel_shares: NDArray[np.float64] | None = None

    def to_frame(self) -> pd.DataFrame:
        """One row per (target, source), one column per kind."""
        index = pd.MultiIndex.from_product(
            [[self.case_id], self.targets, self.sources], names=["case", "target", "source"]
        )
        return pd.DataFrame({kind.value: self.values[kind].ravel() for kind in Kind}, index=index).reset_index()

    def by_channel_frame(self) -> pd.DataFrame:
        """One row per (target, source, channel) with the column `importance`; no rows if there are no channels."""
        names = {"target": self.targets, "source": self.sources, "channel": self.channels}
        index = pd.MultiIndex.from_product([[self.case_id], *names.values()], names=["case", *names])
        values = np.empty(0) if self.by_channel is None else self.by_channel.ravel()
        return pd.DataFrame({Kind.IMPORTANCE.value: values}, index=index).reset_index()

    def channel_shares_frame(self) -> pd.DataFrame:
        """One row per (target, channel) with the column `share`; no rows if there are no channels."""
        names = {"target": self.targets, "channel": self.channels}
        index = pd.MultiIndex.from_product([[self.case_id], *names.values()], names=["case", *names])
        values = np.empty(0) if self.channel_shares is None else self.channel_shares.ravel()
        return pd.DataFrame({"share": values}, index=index).reset_index()


def importance_by_channel_array(frame: pd.DataFrame) -> xr.DataArray:
    """View a table of RoI importances by channel as an array with dims (case, target, source, channel)."""
    dims = ["case", "target", "source", "channel"]
    data: xr.DataArray = frame.set_index(dims)[Kind.IMPORTANCE.value].to_xarray()
    return data.reindex({dim: pd.unique(frame[dim]) for dim in dims}).rename("roi_importance_by_channel")


def importance_array(frame: pd.DataFrame) -> xr.DataArray:
    """View a table of RoI importances as an array with dims (case, target, source, kind).

    A row of the kind "importance" sums to 1 over exclusive classes; over overlapping regions it need not.
    """
    kinds = [kind.value for kind in Kind]
    data: xr.DataArray = frame.set_index(["case", "target", "source"])[kinds].to_xarray().to_dataarray("kind")
    data = data.reindex({dim: pd.unique(frame[dim]) for dim in ("case", "target", "source")})
    return data.transpose("case", "target", "source", "kind").rename("roi_importance")


@dataclass(frozen=True, eq=False)
class GlobalImportance:
    """Mean over cases of one kind of RoI importance, ignoring NaN.

    Attributes:
        kind: Which kind.
        targets: Names of the explained classes (K).
        sources: Names of the regions (R).
        mean: (K, R); NaN where no case has a value.
        count: (K, R) cases with a value.
        std: (K, R) standard deviation over cases (n - 1 in the denominator).
        low: (K, R) lower end of the 95 % bootstrap interval; NaN below 5 patients.
        high: (K, R) upper end.
        over: (K, R) words: how many patients, or scans, the interval is over, and whether they are few.
    """

    kind: Kind
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    mean: NDArray[np.float64]
    count: NDArray[np.int64]
    std: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    over: NDArray[np.object_] | None = None

    def to_frame(self) -> pd.DataFrame:
        """One row per (target, source)."""
        index = pd.MultiIndex.from_product([self.targets, self.sources], names=["target", "source"])
        columns = {
            "mean": self.mean,
            "count": self.count,
            "std": self.std,
            "ci_low": self.low,
            "ci_high": self.high,
            **({} if self.over is None else {"ci_over": self.over}),
        }
        frame = pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index=index).reset_index()
        frame.insert(0, "kind", self.kind.value)
        return frame

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, kind: Kind) -> GlobalImportance:
        """Back from the rows of one kind."""
        rows = frame[frame["kind"] == kind.value]
        targets, sources = (tuple(map(str, pd.unique(rows[name]))) for name in ("target", "source"))

        def matrix(column: str, dtype: type = np.float64) -> NDArray[Any]:
            indexed = rows.set_index(["target", "source"])[column]
            values = indexed.reindex(pd.MultiIndex.from_product([targets, sources])).to_numpy(dtype=dtype)
            return np.asarray(values.reshape(len(targets), len(sources)))

        return cls(
            kind=kind,
            targets=targets,
            sources=sources,
            mean=matrix("mean"),
            count=matrix("count").astype(np.int64),
            std=matrix("std"),
            low=matrix("ci_low"),
            high=matrix("ci_high"),
            over=matrix("ci_over", object) if "ci_over" in rows else None,
        )
