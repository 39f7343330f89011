"""The wide table of RoI importances that the authors of Agg²Exp published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.store.stored_importances import wrong_shares
from agg2exp.store.stored_tables import SHARE_ROUNDING
from agg2exp.store.tables import ROI_IMPORTANCE, SEGMENTATION
from agg2exp.store.tabular import read_text_table

CASE = "patient"
KINDS = {"mass": Kind.IMPORTANCE, "mean": Kind.MEAN}  # their `mass` is Eq. 7
OVERLAPS = ("dice", "iou")
MISSING = ("", "nan", "NaN", "NA")


def read_published_table(path: Path) -> dict[str, pd.DataFrame]:
    """Read `<target>_explanation_in_<source>_{mass,mean}` and `<class>_{dice,iou}` into our tables.

    The classes are the names before `_dice`; every column must follow from them, so that a name with underscores
    cannot be read in two ways. A target whose masses are all missing is absent from the case. The columns
    `<target>_explanation_{var,mean}`, of signed attributions over the whole volume, are not read: our tables have
    no place for them.

    Returns:
        `roi_importance`: case, target, source and one column per kind, NaN but for importance and mean.
        `segmentation`: case, class, dice, iou.

    Raises:
        DataError: It is no CSV file (see `read_text_table`), a column is missing or unknown, a case is there twice, a
            value is no number or out of range, or a row of masses does not sum to 1. The message names file, column
            and case.
    """
    table = read_text_table(path)
    header = list(table.header)
    classes = [name.removesuffix("_dice") for name in header if name.endswith("_dice")]
    _check_header(path, header, classes)
    if not table.rows:
        raise DataError(f"{path}: expected a row for each case, got no row.")
    table.check_ids(CASE)
    text = pd.DataFrame([row.fields for row in table.rows], columns=header)
    cases = text.pop(CASE)
    numbers = _numbers(path, text.drop(columns=[*_volume_columns(classes)], errors="ignore"), cases)
    shape = len(cases), len(classes), len(classes)
    kinds = {
        kind: numbers[[_column(a, b, word) for a in classes for b in classes]].to_numpy().reshape(shape)
        for word, kind in KINDS.items()
    }
    _check_rows(path, kinds[Kind.IMPORTANCE], list(cases), classes)
    index = pd.MultiIndex.from_product([cases, classes, classes], names=["case", "target", "source"])
    importance = pd.DataFrame(
        {kind.value: kinds[kind].ravel() if kind in kinds else np.nan for kind in Kind}, index=index
    )
    segmentation = pd.DataFrame(
        {word: numbers[[f"{name}_{word}" for name in classes]].to_numpy().ravel() for word in OVERLAPS},
        index=pd.MultiIndex.from_product([cases, classes], names=["case", "class"]),
    )
    return {ROI_IMPORTANCE: importance.reset_index(), SEGMENTATION: segmentation.reset_index()}


def _column(target: str, source: str, word: str) -> str:
    return f"{target}_explanation_in_{source}_{word}"


def _volume_columns(classes: list[str]) -> set[str]:
    return {f"{name}_explanation_{word}" for name in classes for word in ("var", "mean")}


def _check_header(path: Path, header: list[str], classes: list[str]) -> None:
    """Raise unless the columns are exactly those that follow from the classes."""
    columns = [CASE, *(f"{name}_{word}" for name in classes for word in OVERLAPS)]
    columns += [_column(a, b, word) for a in classes for b in classes for word in KINDS]
    missing = sorted({*columns} - {*header})
    unknown = sorted({*header} - {*columns} - _volume_columns(classes))
    for names, problem in ((unknown, "are unknown"), (missing, "are missing")):
        if names:
            raise DataError(
                f"{path}: expected columns {CASE}, <target>_explanation_in_<source>_mass and _mean, <class>_dice and "
                f"<class>_iou for the classes {classes}; {len(names)} columns {problem}: {names[:5]}."
            )
    if not classes:
        raise DataError(f"{path}: expected columns <class>_dice, which name the classes, got none.")


def _numbers(path: Path, text: pd.DataFrame, cases: pd.Series) -> pd.DataFrame:
    """All columns as numbers, NaN where empty."""
    numbers = text.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    is_share = ~text.columns.str.endswith("_mean")
    wrong = (
        (numbers.isna() & ~text.isin(MISSING))
        | (numbers < 0)
        | np.isinf(numbers)
        | ((numbers > 1 + SHARE_ROUNDING) & is_share)
    )
    if wrong.to_numpy().any():
        row, column = np.argwhere(wrong.to_numpy())[0]
        allowed = f"a number from 0{' to 1' if is_share[column] else ''}, or nothing"
        raise DataError(
            f"{path}, column {text.columns[column]}: expected {allowed}, got {text.iloc[row, column]!r} for case "
            f"{cases.iloc[row]}."
        )
    return numbers


def _check_rows(path: Path, mass: NDArray[np.float64], cases: list[str], classes: list[str]) -> None:
    """Raise unless the masses (N, L, L) of each case and target sum to 1 over the sources, or are all missing."""
    off = wrong_shares(mass) | (np.isnan(mass).any(axis=2) & ~np.isnan(mass).all(axis=2))
    if off.any():
        n, k = np.argwhere(off)[0]
        raise DataError(
            f"{path}, columns {_column(classes[k], '<source>', 'mass')}: expected masses that sum to 1 over the "
            f"{len(classes)} sources, or all empty; got the sum {mass[n, k].sum():.6g} for case {cases[n]}."
        )
