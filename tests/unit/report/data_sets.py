"""Small data sets for the tests of the report."""

import numpy as np
import pandas as pd

from agg2exp.analysis.importances import Importances
from agg2exp.domain.labels import Labels
from agg2exp.domain.roi_importance import Kind
from agg2exp.report.data_set import DataSet
from agg2exp.report.settings import AnalysisSettings, Highlight
from agg2exp.report.study import Study
from tests.unit.analysis import tables

WHATEVER = Highlight()
NO_DICE = pd.DataFrame({"case": [], "class": [], "dice": []})


def importances(seed=0, n=12, targets=tables.CLASSES, extra=()) -> Importances:
    """Rows that sum to 1 over the classes, of some targets alone; extra masks have 0.3 of everything."""
    rows = tables.rows(seed, n)[:, [tables.CLASSES.index(name) for name in targets]]
    values = np.concatenate([rows, np.full((*rows.shape[:2], len(extra)), 0.3)], axis=2)
    cases = tuple(f"s{i:04d}" for i in range(n))
    return Importances(Kind.IMPORTANCE, cases, tuple(targets), (*tables.CLASSES, *extra), tables.CLASSES, values)


def data_set(data: Importances, segmentation: pd.DataFrame = NO_DICE, **facts) -> DataSet:
    """The data set that holds these importances, and nothing of the other kinds but what `volume_voxels` gives."""
    classes = tables.CLASSES
    labels = Labels(classes)
    columns = {kind.value: np.nan for kind in Kind if kind is not data.kind}
    volume = {Kind.VOLUME_VOXELS.value: facts.pop("volume_voxels")} if "volume_voxels" in facts else {}
    return DataSet("x", tables.frame(data).assign(**columns | volume), segmentation, labels, "here", **facts)


def study(data: DataSet, highlight: Highlight = WHATEVER, read_scan=None) -> Study:
    """A quick study of a data set, which is its own reference."""
    return Study(data, data, AnalysisSettings(highlight=highlight, forests=2, draws=100), read_scan)
