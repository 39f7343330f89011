"""RoI importance by channel over many cases."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from agg2exp.aggregation.global_importance import global_importance
from agg2exp.domain.roi_importance import Kind


def global_importance_by_channel(
    frame: pd.DataFrame, patients: Mapping[str, str] | None = None, draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Mean over cases of the part of each channel in the RoI importance; see `global_importance`.

    Means sum over channels to the mean of the importance; the ends of intervals do not.

    Args:
        frame: Rows of `LocalImportance.by_channel_frame` of all cases.
        patients: Patient of each case; without it each case is a patient.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The columns of `GlobalImportance.to_frame` after that of the channel, in the order of the channels.

    Raises:
        ValueError: A (case, target, source, channel) occurs twice, or a case has no patient.
    """
    parts = []
    for channel, rows in frame.groupby("channel", sort=False):
        table = global_importance(rows, Kind.IMPORTANCE, patients, draws, seed).to_frame()
        table.insert(0, "channel", str(channel))
        parts.append(table)
    return pd.concat(parts, ignore_index=True)
