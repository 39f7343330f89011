"""Several data sets, models or methods side by side (paper, Fig. 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from agg2exp.analysis.agreement import agreement
from agg2exp.analysis.comparison import compare
from agg2exp.analysis.context import context
from agg2exp.analysis.importances import Importances
from agg2exp.domain.roi_importance import Kind
from agg2exp.figures.change import change_map
from agg2exp.figures.context import context_plot
from agg2exp.report.artefacts import Artefact
from agg2exp.report.data_set import DataSet
from agg2exp.report.settings import AnalysisSettings


def context_of(data_sets: Sequence[DataSet]) -> Iterator[Artefact]:
    """Self-importance per class, data sets side by side."""
    table = context({data.name: data.importances(Kind.IMPORTANCE) for data in data_sets})
    yield "context", table
    yield "context", context_plot(table)


def same_patients(first: DataSet, second: DataSet) -> bool:
    """Whether both explain the very same scans, as runs of other models or methods do."""
    return first.origin == second.origin and first.cases == second.cases


def agreement_of(data_sets: Sequence[DataSet], settings: AnalysisSettings) -> Iterator[Artefact]:
    """Rank correlation of the global matrices of methods or models on the same scans."""
    matrices = {
        data.name: data.matrix(data.importances(Kind.IMPORTANCE), settings.draws, settings.seed) for data in data_sets
    }
    yield "agreement", agreement(matrices)


def change(first: DataSet, second: DataSet, settings: AnalysisSettings) -> Iterator[Artefact]:
    """Which entries of the global matrix differ between the patients of two data sets."""
    one, other = (data.importances(Kind.IMPORTANCE).by_patient(data.patients) for data in (first, second))
    if first.origin != second.origin:  # patients of one name are not the same
        one, other = _named(one, first.name), _named(other, second.name)
    table = compare(one, other, settings.permutations, settings.seed)
    name = f"change_{first.name}_to_{second.name}".replace("/", "-")
    yield name, table
    yield name, change_map(table, first.scheme, (first.name, second.name), settings.alpha)


def _named(importances: Importances, name: str) -> Importances:
    return replace(importances, cases=tuple(f"{name}: {case}" for case in importances.cases))
