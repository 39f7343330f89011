"""Dice of every case and class, and of classes that are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from agg2exp.analysis.joining import group_names
from agg2exp.domain.errors import DataError


def wide_dice(segmentation: pd.DataFrame) -> pd.DataFrame:
    """Dice as a frame of cases (rows, sorted) × classes (columns, in order of appearance).

    Args:
        segmentation: Columns case, class, dice; NaN where a class is not annotated.

    Raises:
        DataError: A column is missing, or a (case, class) occurs twice.
    """
    missing = [name for name in ("case", "class", "dice") if name not in segmentation]
    if missing:
        raise DataError(f"segmentation: expected columns case, class, dice; got no column {missing}.")
    repeated = segmentation.duplicated(["case", "class"])
    if repeated.any():
        twice = segmentation.loc[repeated, ["case", "class"]].iloc[0]
        raise DataError(
            f"segmentation: expected every (case, class) once, got case {twice['case']!r}, class {twice['class']!r} "
            "twice. Analyse runs that share cases one by one."
        )
    table = segmentation.pivot(index="case", columns="class", values="dice")  # noqa: PD010  # nothing to aggregate
    table.index, table.columns = table.index.map(str), table.columns.map(str)
    order = [str(name) for name in pd.unique(segmentation["class"])]
    return table[order].astype(float).rename_axis(index=None, columns=None)


def dice_by_class(segmentation: pd.DataFrame) -> pd.DataFrame:
    """As `wide_dice`, for what needs some Dice.

    Raises:
        DataError: No Dice is known at all; see also `wide_dice`.
    """
    dice = wide_dice(segmentation)
    if dice.isna().all(axis=None):
        raise DataError(
            "segmentation: expected Dice of some case and class, got none. The run had no annotated labels."
        )
    return dice


def joined_dice(segmentation: pd.DataFrame, groups: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Replace the classes of each group by one class, whose Dice is the mean over those that a case has (Table 3).

    Args:
        segmentation: Columns case, class, dice.
        groups: For each new name its classes, for instance left lung: its two lobes.

    Returns:
        Columns case, class, dice; a group in the place of its first member.

    Raises:
        DataError: A group has an unknown class, one that is in another group, or none, or a name that is taken; see
            also `wide_dice`.
    """
    dice = wide_dice(segmentation)
    means = dice.T.groupby(group_names(list(dice), groups), sort=False).mean()  # ignoring NaN
    index = pd.MultiIndex.from_product([dice.index, means.index], names=["case", "class"])
    return pd.DataFrame({"dice": means.to_numpy().T.ravel()}, index=index).reset_index()


def dice_of(segmentation: pd.DataFrame, groups: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Dice per case and class, the classes of a group averaged; the table as it is where there are no groups."""
    return joined_dice(segmentation, groups) if groups else segmentation
