"""Attribution methods side by side: what finished runs measured of them, read once, and the tables made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure

from agg2exp.domain.errors import DataError
from agg2exp.figures.curves import curves_plot
from agg2exp.report.benchmark import benchmark, ranks
from agg2exp.report.curves import mean_curves
from agg2exp.report.metric_tables import read_curves, read_metrics, undamaged
from agg2exp.report.runs import Run, caveats


@dataclass(frozen=True, eq=False)
class BenchmarkStudy:
    """Values of evaluation metrics of several runs.

    Attributes:
        values: data, method, case, target, name, value.
        facts: name, metric, category, higher_is_better, paper.
        points: Of curves: data, method, case, target, name, x, y; or empty.
        remarks: What was left out, and why methods may not be comparable, a sentence each.
    """

    values: pd.DataFrame
    facts: pd.DataFrame
    points: pd.DataFrame
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> BenchmarkStudy:
        """What the runs stored; damaged ones are left out.

        Raises:
            DataError: All are damaged.
            ValueError: No run has metrics, or they do not fit together.
        """
        good, damaged = undamaged(runs)
        values, facts = read_metrics(good)
        return cls(values, facts, read_curves(good), (*damaged, *caveats(good, values)))

    @cached_property
    def higher_is_better(self) -> dict[str, bool | None]:
        """By name of a value; None where no value is better."""
        return {
            row.name: None if pd.isna(row.higher_is_better) else bool(row.higher_is_better)
            for row in self.facts.itertuples(index=False)
        }

    @cached_property
    def of_case(self) -> set[str]:
        """Names of values that are numbers of a case, not of a class."""
        return set(self.facts.loc[self.facts["category"] == "efficiency", "name"])

    @cached_property
    def table(self) -> pd.DataFrame:
        """Mean ± standard deviation over cases and classes, see `benchmark`."""
        return benchmark(self.values, self.higher_is_better, of_case=self.of_case)

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """The same with a row per class."""
        return benchmark(self.values, self.higher_is_better, ("data", "method", "target", "name"), self.of_case)

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Rank of every method, see `ranks`."""
        return ranks(self.table, dict(zip(self.facts["name"], self.facts["metric"], strict=True)))

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Mean curves, see `mean_curves`; or empty."""
        return mean_curves(self.points) if len(self.points) else self.points

    @cached_property
    def pictures(self) -> dict[str, Figure]:
        """Picture of the curves of each data set that has some."""
        return self._drawn[0]

    @property
    def all_remarks(self) -> list[str]:
        """The remarks, and why pictures are missing."""
        return [*self.remarks, *self._drawn[1]]

    @cached_property
    def _drawn(self) -> tuple[dict[str, Figure], list[str]]:
        pictures, missing = dict[str, Figure](), list[str]()
        for data, curves in self.curves.groupby("data", sort=False) if len(self.curves) else ():
            try:
                pictures[str(data)] = curves_plot(curves, str(data))
            except DataError as error:
                missing.append(f"{data}: there is no picture of curves: {error}")
        return pictures, missing
