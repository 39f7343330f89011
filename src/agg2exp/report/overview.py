"""How much there is of everything in the data sets of an analysis."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from agg2exp.analysis.joining import group_names
from agg2exp.report.data_set import DataSet


def overview(data_sets: Sequence[DataSet]) -> pd.DataFrame:
    """A row per data set."""
    return pd.DataFrame(
        {
            "data set": data.name,
            "cases": len(data.cases),
            "patients": data.n_patients,
            "classes": len({*group_names(data.labels.classes, data.join)}),
            "extra regions": data.local["source"].nunique() - len(data.labels.sources),
            "cases without Dice": len(data.cases) - data.segmentation.dropna(subset="dice")["case"].nunique(),
            "cases without metadata": "none given" if data.metadata is None
            else len({*data.cases} - {*data.metadata.index}),
        }
        for data in data_sets
    )  # fmt: skip
