"""Slices of the most and least abnormal cases (paper, Fig. 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from agg2exp.analysis.dice import dice_of
from agg2exp.analysis.outliers import complete
from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.figures.case_slices import CaseSlices, Standing, case_slices
from agg2exp.figures.shown_scan import ShownScan
from agg2exp.report.data_set import DataSet


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan with what the model made of it, array axes pointing to R, A, S.

    Attributes:
        shown: The image.
        predicted: (D, H, W) mask of the class.
        annotated: (D, H, W) mask of the class, or None.
        attribution: (D, H, W) of the class, or None if the run did not keep it.
    """

    shown: ShownScan
    predicted: NDArray[np.bool_]
    annotated: NDArray[np.bool_] | None
    attribution: NDArray[Any] | None


ReadScan = Callable[[DataSet, str, str], Scan]
"""Scan of a case of a data set, with masks and attribution of a class."""


def outlier_slices(data: DataSet, shown: pd.DataFrame, target: str, read_scan: ReadScan) -> Figure:
    """The slices of some cases with a class outlined; a scan is read, cut and let go before the next.

    Args:
        data: Where the cases are from.
        shown: Rows of the table of outliers, in the order in which they are drawn.
        target: The class.
        read_scan: Reads the scan of a case, and the attribution of the class if there is one.

    Raises:
        DataError: There is no case, or a scan or prediction is not there.
    """
    if shown.empty:
        raise DataError(f"no case has a normality of {target}")
    dice = dice_of(data.segmentation, data.join).set_index(["case", "class"])["dice"]
    ranked = int(complete(data.importances(Kind.IMPORTANCE), target).sum())
    cuts = []
    for row in shown.itertuples():
        scan = read_scan(data, str(row.case), target)
        cuts.append(
            CaseSlices.through(
                Standing(row.case, row.normality, f"{row.rank} of {ranked}", dice.get((row.case, target))),
                scan.shown,
                predicted=scan.predicted,
                annotated=scan.annotated,
                attribution=scan.attribution,
            )
        )
    return case_slices(cuts, target)
