"""Small data sets for the tests of the analyses."""

import numpy as np
import pandas as pd

from agg2exp.analysis.importances import Importances
from agg2exp.domain.roi_importance import Kind

CLASSES = ("background", "aorta", "heart", "lung_lower", "lung_upper")


def rows(seed, n=30, classes=CLASSES, concentration=2.0):
    """(n, L, L) importances whose rows sum to 1."""
    return np.random.default_rng(seed).dirichlet(np.full(len(classes), concentration), size=(n, len(classes)))


def importances(values, classes=CLASSES, kind=Kind.IMPORTANCE, prefix="s", extra=()):
    cases = tuple(f"{prefix}{i:04d}" for i in range(len(values)))
    return Importances(kind, cases, tuple(classes), (*classes, *extra), tuple(classes), values)


def frame(data):
    """The table that holds these importances."""
    index = pd.MultiIndex.from_product([data.cases, data.targets, data.sources], names=["case", "target", "source"])
    return pd.DataFrame({data.kind.value: data.values.ravel()}, index=index).reset_index()


def segmentation(dice, cases, classes=CLASSES):
    index = pd.MultiIndex.from_product([cases, classes], names=["case", "class"])
    return pd.DataFrame({"dice": np.asarray(dice, dtype=float).ravel()}, index=index).reset_index()
