"""Which channel of the image the attribution of a class lies in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from agg2exp.analysis.joining import group_names

KEYS = ["case", "target", "channel"]


def channel_shares(
    by_channel: pd.DataFrame, sources: Sequence[str], groups: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """S_x[a, c] = Σ_b E_x[a, b, c] / Σ_b Σ_c' E_x[a, b, c'] over the regions b of the model.

    Regions that exclude each other make up the volume, so that this is the share of ‖e_a‖₁ that lies in channel c.
    Where regions overlap, a voxel counts once for each region that it is in. Extra masks do not count, and neither do
    sources without a value.

    Args:
        by_channel: Columns case, target, source, channel, importance (E_x[a, b, c]).
        sources: Regions that every case has (background too).
        groups: For each new name the targets that are joined: the mean over those that a case has, as in `joined`.

    Returns:
        Columns case, target, channel, share, in the order of the table; NaN where a case lacks the class.

    Raises:
        DataError: See `group_names`.
    """
    of_model = by_channel[by_channel["source"].isin(sources)]
    mass = of_model.groupby(KEYS, sort=False, observed=True)["importance"].sum(min_count=1)
    total = mass.groupby(KEYS[:2], sort=False, observed=True).transform("sum")
    shares = (mass / total.where(total > 0)).rename("share").reset_index()
    targets = list(pd.unique(shares["target"]))
    names = dict(zip(targets, group_names(targets, groups or {}, [*{*targets, *sources}]), strict=True))
    shares["target"] = shares["target"].map(names)
    return shares.groupby(KEYS, sort=False)["share"].mean().reset_index()
