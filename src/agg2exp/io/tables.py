"""Tables over all cases of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from agg2exp.io.atomic import written_whole
from agg2exp.io.case_store import CASE_FILES, CaseResult

ROI_IMPORTANCE = "roi_importance"
GLOBAL_IMPORTANCE = "global_importance"
SEGMENTATION = "segmentation"
TIMINGS = "timings"


def check_same_settings(results: Sequence[CaseResult]) -> None:
    """Raise unless all cases were computed with the same settings.

    Raises:
        ValueError: Two cases differ; the message names the settings.
    """
    first = results[0]
    for other in results[1:]:
        keys = {*first.settings, *other.settings} - {CASE_FILES}
        differing = sorted(k for k in keys if first.settings.get(k) != other.settings.get(k))
        if differing:
            raise ValueError(
                f"cases {first.importance.case_id} and {other.importance.case_id} were computed with different "
                f"settings ({', '.join(differing)}). Use another run folder for other settings."
            )


def case_tables(results: Sequence[CaseResult]) -> dict[str, pd.DataFrame]:
    """Tables with a row per (case, …), cases sorted by id.

    Returns:
        `roi_importance`: case, target, source and one column per kind of RoI importance.
        `segmentation`: case, class, predicted voxels, Dice, IoU, and whether the class was explained or why not.
        `timings`: case, seconds, network passes, how memory was saved; apart from the others, which repeat exactly.
    """
    ordered = sorted(results, key=lambda r: r.importance.case_id)
    return {
        ROI_IMPORTANCE: pd.concat([r.importance.to_frame() for r in ordered], ignore_index=True),
        SEGMENTATION: pd.concat([_segmentation(r) for r in ordered], ignore_index=True),
        TIMINGS: pd.DataFrame(
            [
                {
                    "case": r.importance.case_id,
                    "seconds": r.seconds,
                    "window_forwards": r.passes.forwards,
                    "window_backwards": r.passes.backwards,
                    "windows_reused": r.passes.reused,
                    "economy": r.economy,
                }
                for r in ordered
            ]
        ),
    }


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table as Parquet, atomically."""
    for name, table in tables.items():
        with written_whole(folder / f"{name}.parquet") as path:
            table.to_parquet(path, index=False)


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
