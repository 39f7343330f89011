"""Tables over all cases of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from agg2exp.store.atomic import atomic_write
from agg2exp.store.case_result import CaseResult

ROI_IMPORTANCE = "roi_importance"
GLOBAL_IMPORTANCE = "global_importance"
IMPORTANCE_BY_CHANNEL = "importance_by_channel"
CHANNEL_SHARES = "channel_shares"
GLOBAL_BY_CHANNEL = "global_importance_by_channel"
SEGMENTATION = "segmentation"
TIMINGS = "timings"
NOTES = "notes"
METRICS = "metrics"
CURVES = "curves"
EFFICIENCY = "efficiency"
METRIC_SUMMARY = "metric_summary"
SUPERVOXELS = "supervoxels"
TWINS = "twins"
HOLDING_TIMES = (TIMINGS, EFFICIENCY, METRIC_SUMMARY)
"""Tables that may have seconds in them; on CPUs all others repeat byte for byte."""


def check_same_settings(results: Sequence[CaseResult]) -> None:
    """Raise unless all cases were computed with the same settings.

    Raises:
        ValueError: Two cases differ; the message names the settings.
    """
    first = results[0]
    for other in results[1:]:
        if changes := first.provenance.differences(other.provenance):
            raise ValueError(
                f"cases {first.importance.case_id} and {other.importance.case_id} were computed with different "
                f"settings ({changes}). Use another run folder for other settings."
            )


def case_tables(results: Sequence[CaseResult]) -> dict[str, pd.DataFrame]:
    """Tables with a row per (case, …), cases sorted by id.

    Returns:
        `roi_importance`: case, target, source and one column per kind of RoI importance. Over the sources of exclusive
            classes, importance sums to 1; over overlapping regions it need not.
        `importance_by_channel`: case, target, source, channel, importance: the part of each channel of the image, which
            sum to the importance; only if the attribution has several channels.
        `channel_shares`: case, target, channel, share of the whole attribution, every voxel once; only with them.
        `segmentation`: case, class, predicted voxels, Dice, IoU, and whether the class was explained or why not.
        `timings`: case, seconds, network passes, how memory was saved (see `HOLDING_TIMES`).
        `notes`: case, target, name, value: how far an attribution can be trusted; only if the method says so.
        `metrics`, `efficiency`: case, target, name, value; only if metrics were asked for.
        `curves`: case, target, name, x, y of every point; only if a metric gives curves.
        `supervoxels`: case, target, supervoxel, voxels, value φ, standard error; only if there are supervoxels. With
            label and name where supervoxels have a number that is the same in all cases.
        `twins`: case, twin, target, source, importance, expected_by_distance; only if there were networks with random
            weights.
    """
    ordered = sorted(results, key=lambda r: r.importance.case_id)
    further = {part: [_per_target(r, part) for r in ordered] for part in (NOTES, METRICS, EFFICIENCY)}
    further[CURVES] = [_curves(r) for r in ordered]
    further[TWINS] = [_twins(r) for r in ordered]
    further[IMPORTANCE_BY_CHANNEL] = [r.importance.by_channel_frame() for r in ordered]
    further[CHANNEL_SHARES] = [r.importance.channel_shares_frame() for r in ordered]
    further[SUPERVOXELS] = [_supervoxels(r) for r in ordered]
    return {
        ROI_IMPORTANCE: pd.concat([r.importance.to_frame() for r in ordered], ignore_index=True),
        SEGMENTATION: pd.concat([_segmentation(r) for r in ordered], ignore_index=True),
        TIMINGS: pd.DataFrame(
            [
                {
                    "case": r.importance.case_id,
                    "seconds": r.seconds,
                    "window_forwards": r.passes.window_forwards,
                    "window_backwards": r.passes.window_backwards,
                    "windows_reused": r.passes.reused,
                    "memory_fallback": r.memory_fallback,
                }
                for r in ordered
            ]
        ),
        **{name: pd.concat(parts, ignore_index=True) for name, parts in further.items() if any(map(len, parts))},
    }


def background_of(importances: pd.DataFrame) -> str:
    """Name of the background, which is the first source of every table of importances."""
    return str(importances["source"].iloc[0])


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table as Parquet, atomically, with checksums that tell flipped bits."""
    for name, table in tables.items():
        with atomic_write(folder / f"{name}.parquet") as path:
            table.to_parquet(path, index=False, write_page_checksum=True)


def read_tables(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Read tables back."""
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in names}


def _segmentation(result: CaseResult) -> pd.DataFrame:
    status = dict(zip(result.importance.targets, result.importance.status, strict=True))
    return pd.DataFrame(
        {
            "case": result.importance.case_id,
            "class": result.classes,
            "predicted_voxels": result.voxels,
            "dice": result.dice,
            "iou": result.iou,
            "explained": [status.get(name, "not asked for") for name in result.classes],
        }
    )


def _per_target(result: CaseResult, part: str) -> pd.DataFrame:
    """One row per (target, name) of what a case has by name for each target."""
    values = getattr(result, part)
    if not values:
        return pd.DataFrame()
    index = pd.MultiIndex.from_product([[result.importance.case_id], values, result.importance.targets])
    frame = pd.DataFrame({"value": np.concatenate(list(values.values()))}, index=index)
    return frame.rename_axis(["case", "name", "target"]).reset_index()[["case", "target", "name", "value"]]


def _curves(result: CaseResult) -> pd.DataFrame:
    """One row per point of each target's curves."""
    parts = [
        pd.DataFrame({"case": result.importance.case_id, "target": target, "name": name, "x": x, "y": y})
        for name, curves in result.curves.items()
        for target, (x, y) in zip(result.importance.targets, curves.transpose(0, 2, 1), strict=True)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _twins(result: CaseResult) -> pd.DataFrame:
    """One row per twin, target and source."""
    if not result.twins:
        return pd.DataFrame()
    importance, n = result.importance, len(next(iter(result.twins.values())))
    names = {"twin": range(1, n + 1), "target": importance.targets, "source": importance.sources}
    index = pd.MultiIndex.from_product([[importance.case_id], *names.values()], names=["case", *names])
    return pd.DataFrame(
        {kind: result.twins[kind].ravel() for kind in sorted(result.twins, reverse=True)}, index=index
    ).reset_index()


def _supervoxels(result: CaseResult) -> pd.DataFrame:
    found = result.supervoxels
    if found is None:
        return pd.DataFrame()
    targets, ids = result.importance.targets, range(len(found.voxels))
    index = pd.MultiIndex.from_product([[result.importance.case_id], targets, ids])
    table = pd.DataFrame(
        {
            "voxels": np.tile(found.voxels, len(targets)),
            "value": found.values.ravel(),
            "standard_error": found.errors.ravel(),
        },
        index=index.set_names(["case", "target", "supervoxel"]),
    ).reset_index()
    if found.labels is not None:
        table.insert(3, "label", np.tile(found.labels, len(targets)))
        table.insert(4, "name", pd.array(found.names * len(targets), dtype="str"))
    return table
