"""One data set under analysis: what several sections read of it is computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from agg2exp.analysis.importances import Importances
from agg2exp.analysis.outliers import outlier_table
from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.report.data_set import DataSet
from agg2exp.report.outlier_slices import ReadScan
from agg2exp.report.settings import AnalysisSettings


@dataclass(frozen=True, eq=False)
class Study:
    """A data set, what it is compared with, and the choices of the user.

    Attributes:
        data: The data set.
        reference: What the forests take as normal; may be `data` itself.
        settings: Choices of the user.
        read_scan: Reads what the slices of outliers show; None for no slices.
    """

    data: DataSet
    reference: DataSet
    settings: AnalysisSettings
    read_scan: ReadScan | None = None

    @cached_property
    def importances(self) -> Importances:
        """E_x[a, b] of all cases.

        Raises:
            DataError: They do not form one table.
        """
        return self.data.importances(Kind.IMPORTANCE)

    @cached_property
    def matrix(self) -> GlobalImportance:
        """Their mean over cases with its interval."""
        return self.matrix_of(Kind.IMPORTANCE)

    def matrix_of(self, kind: Kind) -> GlobalImportance:
        """Mean of one kind over cases with its interval."""
        importances = self.importances if kind is Kind.IMPORTANCE else self.data.importances(kind)
        return self.data.matrix(importances, self.settings.draws, self.settings.seed)

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """Normality of every case, see `outlier_table`.

        Raises:
            DataError: No forest can be fitted.
        """
        return outlier_table(self.importances, self.reference.importances(Kind.IMPORTANCE), self.settings.seed)

    @property
    def ranking_if_any(self) -> pd.DataFrame | None:
        """The ranking, for sections that can do without."""
        try:
            return self.ranking
        except DataError:
            return None

    def ranked(self) -> pd.DataFrame:
        """The ranking, for sections that need it; why there is none, the section about it says.

        Raises:
            DataError: There is none.
        """
        ranking = self.ranking_if_any
        if ranking is None:
            raise DataError("the cases could not be ranked")
        return ranking
