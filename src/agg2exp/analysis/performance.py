"""How well models segment, and whether they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.stats import f_oneway, friedmanchisquare

from agg2exp.analysis.adjustment import benjamini_hochberg
from agg2exp.analysis.dice import dice_by_class, wide_dice
from agg2exp.domain.doubt import POOR_DICE
from agg2exp.domain.errors import DataError
from agg2exp.domain.patients import FEWEST_PATIENTS


def mean_dice(segmentation: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Mean Dice per model and class (Table 3; join classes first with `joined_dice`).

    A model without any Dice has its rows too, with count 0.

    Args:
        segmentation: For each model (or data set) its table with columns case, class, dice.

    Returns:
        Columns model, class, count (cases with Dice), missing (cases without), mean, std (n - 1).

    Raises:
        DataError: No model has any Dice; see also `wide_dice`.
    """
    tables = _of_models(segmentation, wide_dice)
    if all(dice.isna().all(axis=None) for dice in tables.values()):
        raise DataError(
            f"{', '.join(tables)}: expected Dice of some case and class, got none. The runs had no annotated labels."
        )
    frames = []
    for model, dice in tables.items():
        frames.append(
            pd.DataFrame(
                {
                    "model": model,
                    "class": dice.columns,
                    "count": dice.count().to_numpy(),
                    "missing": dice.isna().sum().to_numpy(),
                    "mean": dice.mean().to_numpy(),
                    "std": dice.std().to_numpy(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def models_differ(segmentation: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Test per class that all models have whether they differ in Dice, on the cases that all of them have Dice of.

    The one-way ANOVA is the paper's. It takes the models' values for independent, which they are not, since the
    same cases are compared: where cases differ in difficulty it overlooks differences, and the Friedman test on
    ranks within each case is the one to believe. It needs three models.

    Args:
        segmentation: For each model its table with columns case, class, dice; two models or more.

    Returns:
        Columns class, models, count (cases compared), left_out (cases without Dice from some model), anova_f,
        anova_p, friedman_chi2, friedman_p, excluded (why a test is missing, else empty), anova_p_adjusted,
        friedman_p_adjusted (Benjamini–Hochberg over the classes). A class that some model lacks has a row with the
        reason.

    Raises:
        DataError: Fewer than two models, or one without any Dice.
    """
    if len(segmentation) < 2:
        raise DataError(f"expected Dice of two models or more, got {list(segmentation)}.")
    tables = _of_models(segmentation, dice_by_class)
    rows = []
    for name in dict.fromkeys(name for table in tables.values() for name in table):
        lacking = ", ".join(model for model, table in tables.items() if name not in table)
        known = pd.concat({model: table.reindex(columns=[name])[name] for model, table in tables.items()}, axis=1)
        tests = _tests(known) | ({"excluded": f"no class of {lacking}"} if lacking else {})
        rows.append({"class": name, "models": len(tables), **tests})
    result = pd.DataFrame(rows)
    for test in ("anova", "friedman"):
        result[f"{test}_p_adjusted"] = benjamini_hochberg(result[f"{test}_p"].to_numpy())
    return result


def poor_regions(segmentation: pd.DataFrame) -> pd.DataFrame:
    """The (case, class) whose Dice is below 0.5, worst first: there a predicted region says little of the structure.

    Returns:
        Columns case, class, dice.
    """
    poor = segmentation.loc[segmentation["dice"] < POOR_DICE, ["case", "class", "dice"]]
    return poor.sort_values(["dice", "case", "class"], ignore_index=True)


def _of_models(
    segmentation: Mapping[str, pd.DataFrame], read: Callable[[pd.DataFrame], pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """What `read` makes of each model's table; its errors name the model."""
    tables = {}
    for model, table in segmentation.items():
        try:
            tables[model] = read(table)
        except DataError as error:
            raise DataError(f"{model}: {error}") from error
    return tables


def _tests(dice: pd.DataFrame) -> dict[str, object]:
    """ANOVA and Friedman on cases (rows) × models (columns)."""
    complete = dice.dropna()
    result: dict[str, object] = {"count": len(complete), "left_out": len(dice) - len(complete)}
    values = complete.to_numpy().T
    excluded, anova, friedman = "", (np.nan, np.nan), (np.nan, np.nan)
    if len(complete) < FEWEST_PATIENTS:
        excluded = f"{len(complete)} cases with Dice from all models, at least {FEWEST_PATIENTS} needed"
    elif (values == values[:, :1]).all() or (np.ptp(values, axis=0) == 0).all():
        excluded = "the models do not differ in any case, or Dice does not vary"
    else:
        anova = f_oneway(*values)
        if len(values) < 3:
            excluded = "Friedman needs three models"
        else:
            friedman = friedmanchisquare(*values)
    return result | {
        "anova_f": float(anova[0]),
        "anova_p": float(anova[1]),
        "friedman_chi2": float(friedman[0]),
        "friedman_p": float(friedman[1]),
        "excluded": excluded,
    }
