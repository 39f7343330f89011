"""Which channel of the image the attribution of a class lies in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from agg2exp.analysis.joining import group_names

KEYS = ["case", "target", "channel"]


def joined_shares(shares: pd.DataFrame, classes: Sequence[str], groups: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """S_x[a, c] = ‖e_a(c)‖₁ / ‖e_a‖₁, with targets joined: the mean over those that a case has, as in `joined`.

    Args:
        shares: Columns case, target, channel, share (S_x[a, c]).
        classes: Classes of the model, which may be in groups.
        groups: For each new name the classes that are joined.

    Returns:
        Columns case, target, channel, share, in the order of the table; NaN where a case lacks the class.

    Raises:
        DataError: See `group_names`.
    """
    targets = list(pd.unique(shares["target"]))
    names = dict(zip(targets, group_names(targets, groups, classes), strict=True))
    renamed = shares.assign(target=shares["target"].map(names))
    return renamed.groupby(KEYS, sort=False)["share"].mean().reset_index()
