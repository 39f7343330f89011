"""Several data sets, models or methods side by side (paper, Fig. 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import networkx as nx
import pandas as pd

from agg2exp.analysis.agreement import agreement
from agg2exp.analysis.comparison import compare
from agg2exp.analysis.context import context
from agg2exp.analysis.importances import Importances, check_same_classes
from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.figures.change import change_map
from agg2exp.figures.context import context_plot
from agg2exp.report.data_set import DataSet, differing_settings
from agg2exp.report.outputs import Output, file_of
from agg2exp.report.settings import AnalysisSettings


def context_of(data_sets: Sequence[DataSet]) -> Iterator[Output]:
    """Self-importance per class, data sets side by side."""
    table = context({data.name: data.importances(Kind.IMPORTANCE) for data in data_sets})
    yield "context", table
    yield "context", context_plot(table)


def shared_cases(first: DataSet, second: DataSet) -> list[str]:
    """The scans that both explain, as runs of other models or methods do."""
    both = sorted({*first.cases} & {*second.cases})
    return [case for case in both if first.scans[case].same_as(second.scans[case])]


def of_the_same_scans(data_sets: Sequence[DataSet]) -> list[list[DataSet]]:
    """Groups of two data sets or more that share scans, each directly or through others of its group."""
    sharing = nx.Graph((one.name, other.name) for one, other in combinations(data_sets, 2) if shared_cases(one, other))
    return [[data for data in data_sets if data.name in names] for names in nx.connected_components(sharing)]


def agreement_of(data_sets: Sequence[DataSet]) -> Iterator[Output]:
    """Rank correlation of the global matrices of methods or models, each pair on the cases that both explain."""
    tables = []
    for pair in combinations(data_sets, 2):
        cases = shared_cases(*pair)
        if cases:
            table = agreement({data.name: _matrix(data, cases) for data in pair})
            table.insert(2, "cases", len(cases))
            tables.append(table)
    yield "agreement", pd.concat(tables, ignore_index=True)


def change(first: DataSet, second: DataSet, settings: AnalysisSettings) -> Iterator[Output]:
    """Which entries of the global matrix differ between the patients of two data sets.

    Raises:
        DataError: They were made differently, so that the data are not all that differs, or share patients, or it is
            not known whether they do.
    """
    _check_apart(first, second)
    one, other = (data.importances(Kind.IMPORTANCE).by_patient(data.patients) for data in (first, second))
    check_same_classes(one, other)
    differing = differing_settings(first, second)
    if differing:
        raise DataError(
            f"expected data sets that were made with the same settings, got a difference in {differing}: what changed "
            "could be due to that and not to the data"
        )
    if first.patients is None or second.patients is None:  # no scan is shared: cases of one id are not the same
        one, other = _named(one, first.name), _named(other, second.name)
    table = compare(one, other, settings.permutations, settings.seed)
    name = file_of(f"change_{first.name}_to_{second.name}")
    yield name, table
    yield name, change_map(table, first.joined_anatomy, (first.name, second.name), settings.alpha)


def _check_apart(first: DataSet, second: DataSet) -> None:
    """Raise if scans of two data sets are the same under other ids, or if that is not known of cases of one id."""
    both = sorted({*first.cases} & {*second.cases})
    unknown = [case for case in both if first.scans[case].same_as(second.scans[case]) is None]
    if unknown:
        raise DataError(
            f"whether the cases {unknown[:3]} of both are the same scans is not known, since an earlier version made "
            "one of the runs, or its results are gone. Explain the cases again with this version."
        )
    known = {scan.digest: case for case, scan in first.scans.items() if scan.digest}
    again = [(known[scan.digest], case) for case, scan in second.scans.items() if scan.digest in known]
    if again:
        raise DataError(f"expected different scans, got the same one as cases {again[0][0]!r} and {again[0][1]!r}.")


def _matrix(data: DataSet, cases: Sequence[str]) -> GlobalImportance:
    """Mean over some cases; its interval is not meant to be read."""
    importances = data.importances(Kind.IMPORTANCE)
    rows = [importances.cases.index(case) for case in cases]
    chosen = replace(importances, cases=tuple(cases), values=importances.values[rows])
    return data.matrix(chosen, draws=1, seed=0)


def _named(importances: Importances, name: str) -> Importances:
    return replace(importances, cases=tuple(f"{name}: {case}" for case in importances.cases))
