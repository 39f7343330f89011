"""How normal the RoI importances of a case are, seen from a reference set."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from agg2exp.analysis.importances import Importances, check_same_classes
from agg2exp.analysis.means import mean_ignoring_nan
from agg2exp.domain.errors import DataError

TREES = 100
FEWEST_REFERENCES = 10  # with less, a forest has next to nothing to tell a case from
MEAN = "mean over classes"


def normality(scored: Importances, reference: Importances, seed: int = 0) -> NDArray[np.float64]:
    """Decision function of one isolation forest (100 trees) per class c, on its L features E_x[c, ·].

    Lower is more abnormal; below 0 a case is an outlier. Extra masks are no features. A row with NaN (the class is
    absent from the prediction) neither trains a forest nor is scored.

    Args:
        scored: N cases, K targets.
        reference: Cases taken as normal; may be `scored` itself.
        seed: Of every forest.

    Returns:
        (N, K); NaN for a row with NaN, and for a class that `why_not_fitted` names.

    Raises:
        DataError: See `why_not_fitted`.
    """
    reasons = why_not_fitted(scored, reference)
    result = np.full(scored.values.shape[:2], np.nan)
    for k, target in enumerate(scored.targets):
        x, known = scored.features(target, scored.classes), complete(scored, target)
        if target not in reasons and known.any():
            forest = IsolationForest(n_estimators=TREES, random_state=seed)
            forest.fit(_rows(reference, target, scored.classes))
            result[known, k] = forest.decision_function(x[known])
    return result


def why_not_fitted(scored: Importances, reference: Importances) -> dict[str, str]:
    """Why no forest can be fitted for some targets of `scored`: target -> reason.

    Raises:
        DataError: Classes or kinds differ, or there are fewer than 10 reference cases.
    """
    check_same_classes(scored, reference)
    if len(reference.cases) < FEWEST_REFERENCES:
        raise DataError(
            f"reference: expected at least {FEWEST_REFERENCES} cases to learn what is normal, got "
            f"{len(reference.cases)}. Explain more cases, or give another data set as reference."
        )
    reasons = {}
    for target in scored.targets:
        rows = _rows(reference, target, scored.classes) if target in reference.targets else np.empty((0, 1))
        if len(rows) < FEWEST_REFERENCES:
            reasons[target] = f"{len(rows)} reference cases have this class, at least {FEWEST_REFERENCES} needed"
        elif (rows == rows[0]).all():
            reasons[target] = "the importances are the same in all reference cases"
    return reasons


def outlier_table(scored: Importances, reference: Importances, seed: int = 0) -> pd.DataFrame:
    """Normality of every case, per class and as the mean over the classes that it has.

    Returns:
        Columns case, target (the last of each case: "mean over classes"), normality, anomaly (−normality), outlier
        (normality < 0; missing where unknown), rank (1: the most abnormal case of the target), classes (of which
        the value is the mean), excluded (why there is no value, else empty).

    Raises:
        DataError: See `why_not_fitted`.
    """
    reasons = why_not_fitted(scored, reference)
    values = normality(scored, reference, seed)
    values = np.column_stack([values, mean_ignoring_nan(values)])
    targets = (*scored.targets, MEAN)
    frame = pd.DataFrame(values, index=list(scored.cases), columns=list(targets)).rename_axis(index="case")
    table = frame.reset_index().melt("case", var_name="target", value_name="normality", ignore_index=False)
    table = table.sort_index(kind="stable").reset_index(drop=True)
    table["anomaly"] = -table["normality"]
    table["outlier"] = (table["normality"] < 0).astype("boolean").mask(table["normality"].isna())
    table["rank"] = table.groupby("target")["normality"].rank(method="first").astype("Int64")
    classes = np.ones(values.shape, dtype=np.int64)
    classes[:, -1] = (~np.isnan(values[:, :-1])).sum(axis=1)
    table["classes"] = np.where(np.isnan(values), 0, classes).ravel()
    reason = table["target"].map({MEAN: "no class of the case has a value", **reasons})
    reason = reason.fillna("the class is absent from the prediction, or its attribution is zero")
    table["excluded"] = reason.where(table["normality"].isna(), "")
    return table


def complete(importances: Importances, target: str) -> NDArray[np.bool_]:
    """Whether each case has all features of a target, without which it neither trains a forest nor is scored (N)."""
    return np.asarray(~np.isnan(importances.features(target, importances.classes)).any(axis=1))


def _rows(reference: Importances, target: str, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """The rows that train the forest of a target, features in the order of `classes`."""
    return reference.features(target, classes)[complete(reference, target)]
