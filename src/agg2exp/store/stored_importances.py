"""RoI importances and Dice that a run left behind, checked as they are read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agg2exp.domain.errors import DataError
from agg2exp.domain.labels import Labels
from agg2exp.domain.roi_importance import Kind
from agg2exp.store.stored_tables import (
    AMOUNTS,
    NUMBERS,
    SHARE_ROUNDING,
    SHARES,
    WORDS,
    first_row,
    read_stored_table,
)

OF_IMPORTANCE = {
    "case": WORDS,
    "target": WORDS,
    "source": WORDS,
    **{kind.value: AMOUNTS for kind in Kind},
    **{kind.value: SHARES for kind in (Kind.IMPORTANCE, Kind.POSITIVE, Kind.NEGATIVE, Kind.EXPECTED_BY_DISTANCE)},
    Kind.SIGNED_SUM.value: NUMBERS,
}
OF_SEGMENTATION = {"case": WORDS, "class": WORDS, "dice": SHARES}


def read_stored_importances(folder: Path, labels: Labels, known: Collection[str]) -> dict[str, pd.DataFrame]:
    """The tables `roi_importance` and `segmentation` of a run: the columns that its analysis needs.

    Args:
        folder: Of the tables.
        labels: Classes of the model (L). Exclusive ones partition a volume; overlapping ones leave to background what
            none of them covers.
        known: Cases that the run has results of; none: it has kept none.

    Raises:
        DataError: A table is not as a run writes it; see also `read_stored_table`. The two have other cases or classes,
            or importances do not sum to 1 over exclusive classes, or to less, or more in one, over overlapping ones.
    """
    classes = labels.classes
    local = read_stored_table(folder / "roi_importance.parquet", OF_IMPORTANCE, ("case", "target", "source"))
    segmentation = read_stored_table(folder / "segmentation.parquet", OF_SEGMENTATION, ("case", "class"))
    cases = dict.fromkeys(local["case"])
    foreign = sorted({*cases} - {*known}) if known else []
    if foreign:
        raise DataError(f"{folder}: expected cases that the run has a result of, got {foreign[:5]}.")
    if {*cases} != {*segmentation["case"]}:
        other = sorted({*cases} ^ {*segmentation["case"]})
        raise DataError(f"{folder}: expected the same cases in both tables, got {other[:5]} in one alone.")
    wrong = ~segmentation["class"].isin(classes).to_numpy()
    if wrong.any() or len(segmentation) != len(cases) * len(classes):
        came = first_row(segmentation, wrong) if wrong.any() else "some classes of some case alone"
        raise DataError(f"{folder / 'segmentation.parquet'}: expected the classes {list(classes)}, got {came}.")
    wrong = ~local["target"].isin(classes).to_numpy()
    if wrong.any():
        raise DataError(
            f"{folder / 'roi_importance.parquet'}: expected the classes {list(classes)} as targets, got "
            f"{first_row(local, wrong)}."
        )
    _check_shares(folder / "roi_importance.parquet", local, labels)
    return {"roi_importance": local, "segmentation": segmentation}


def wrong_shares(shares: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the shares (…, L) of a partition do not sum to 1 (…): they may all be missing.

    Where some are missing, such as those of classes that were not annotated, the others may sum to less.
    """
    gaps, total = np.isnan(shares), np.nansum(shares, axis=-1)
    short = ~gaps.any(axis=-1) & (total < 1 - SHARE_ROUNDING)
    return np.asarray(~gaps.all(axis=-1) & (short | (total > 1 + SHARE_ROUNDING)))


def wrong_cover(shares: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the shares (…, 1 + L) of background and of regions that may overlap are not possible (…).

    Together they sum to 1 or more, unless some are missing, and no region has more than background leaves.
    """
    known = ~np.isnan(shares)
    short = known.all(axis=-1) & (np.nansum(shares, axis=-1) < 1 - SHARE_ROUNDING)
    background, regions = np.nan_to_num(shares[..., :1]), np.nan_to_num(shares[..., 1:])
    return np.asarray(short | (background + regions > 1 + SHARE_ROUNDING).any(axis=-1))


def _check_shares(path: Path, local: pd.DataFrame, labels: Labels) -> None:
    """Raise unless shares add up over the classes, and are missing for the same sources in all rows of a case."""
    of_class = local[local["source"].isin(labels.sources)]
    wrong, rule = wrong_shares, f"sums to 1 over the {len(labels)} classes"
    if not labels.exclusive:
        of_class = of_class.sort_values("source", key=lambda names: names != labels.background, kind="stable")
        wrong, rule = wrong_cover, f"covers all by background and {len(labels)} regions, each in what background leaves"
    codes, names = zip(*(pd.factorize(of_class[name]) for name in ("case", "target", "source")), strict=True)
    for kind in (Kind.IMPORTANCE, Kind.POSITIVE, Kind.NEGATIVE):
        shares = np.full([len(of_axis) for of_axis in names], np.nan)  # (N, K, L)
        shares[codes] = of_class[kind.value]
        off, known = wrong(shares), ~np.isnan(shares)
        if off.any():
            n, k = np.argwhere(off)[0]
            raise DataError(
                f"{path}: expected {kind.value} that {rule}, or is missing; got the "
                f"sum {np.nansum(shares[n, k]):.6g} for case {names[0][n]!r}, target {names[1][k]!r}."
            )
        defined = known.any(axis=2, keepdims=True)
        alone = known.any(axis=1) & ~(known | ~defined).all(axis=1)
        if alone.any():
            n, b = np.argwhere(alone)[0]
            raise DataError(
                f"{path}: expected {kind.value} in a source for every target of a case that has any, or for none; got "
                f"some alone for case {names[0][n]!r}, source {names[2][b]!r}."
            )
