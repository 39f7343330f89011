"""RoI importances of one kind over many cases, as the analyses read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agg2exp.analysis.means import mean_by_patient
from agg2exp.domain.errors import DataError
from agg2exp.domain.patients import patient_of
from agg2exp.domain.roi_importance import Kind


@dataclass(frozen=True, eq=False)
class Importances:
    """E_x[a, b] of N cases.

    Attributes:
        kind: Which kind of RoI importance.
        cases: Case ids, sorted, each once (N).
        targets: Classes explained (K).
        sources: Regions (R): the regions of the model, then extra masks.
        classes: The regions of the model, background first (L); the other sources are extra masks.
        values: (N, K, R) float64; NaN where a case has no value.
    """

    kind: Kind
    cases: tuple[str, ...]
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    classes: tuple[str, ...]
    values: NDArray[np.float64]

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, kind: Kind = Kind.IMPORTANCE, classes: Sequence[str] | None = None
    ) -> Importances:
        """Read one kind from a table with columns case, target, source and one column per kind.

        Args:
            frame: The table `roi_importance` of a run, or of several runs with different cases.
            kind: Which column.
            classes: Regions of the model, background first (`Labels.sources`).
                Without it every source is one, and none is an extra mask.

        Raises:
            DataError: The table is empty or lacks a column, a case occurs twice, a value is infinite, or the
                cases do not share one set of classes (an extra mask may be missing from some: NaN).
        """
        missing = [name for name in ("case", "target", "source", kind.value) if name not in frame]
        if missing or frame.empty:
            found = f"no column {missing}" if missing else "no rows"
            raise DataError(f"roi_importance: expected columns case, target, source, {kind.value}; got {found}.")
        case, case_ids = pd.factorize(frame["case"], sort=True)
        target, targets = pd.factorize(frame["target"])
        source, sources = pd.factorize(frame["source"])
        shape = len(case_ids), len(targets), len(sources)
        position = np.ravel_multi_index((case, target, source), shape)
        rows = np.bincount(position, minlength=int(np.prod(shape))).reshape(shape)
        if rows.max() > 1:
            twice = case_ids[rows.max(axis=(1, 2)).argmax()]
            raise DataError(
                f"roi_importance: expected every (case, target, source) once, got some of case {twice!r} twice. "
                "Analyse runs that share cases one by one."
            )
        regions = tuple(map(str, sources if classes is None else classes))
        _check_one_set_of_classes(rows, case_ids, targets, sources, regions)
        values = np.full(shape, np.nan)
        values.ravel()[position] = frame[kind.value].to_numpy(dtype=np.float64)
        if np.isinf(values).any():
            raise DataError(
                f"roi_importance: expected finite numbers or NaN as {kind.value}, got an infinite one in case "
                f"{case_ids[np.isinf(values).any(axis=(1, 2)).argmax()]!r}."
            )
        cases, targets, sources = (tuple(map(str, names)) for names in (case_ids, targets, sources))
        return cls(kind, cases, targets, sources, regions, values)

    def to_frame(self) -> pd.DataFrame:
        """Back to rows: columns case, target, source (categories) and the kind."""
        names = (self.cases, self.targets, self.sources)
        codes = np.indices(self.values.shape).reshape(3, -1)
        columns = {
            column: pd.Categorical.from_codes(code, list(of_axis))
            for column, code, of_axis in zip(("case", "target", "source"), codes, names, strict=True)
        }
        return pd.DataFrame({**columns, self.kind.value: self.values.ravel()})

    def features(self, target: str, classes: Sequence[str]) -> NDArray[np.float64]:
        """E_x[target, ·] over `classes` (N, L)."""
        return self.values[:, self.targets.index(target), [self.sources.index(name) for name in classes]]

    def by_patient(self, patients: Mapping[str, str] | None) -> Importances:
        """Mean over the scans of each patient, ignoring NaN: patients then take the place of cases.

        Args:
            patients: Patient of each case; without it each case is a patient.

        Raises:
            DataError: A case has no patient.
        """
        if patients is None:
            return self
        names, values = mean_by_patient(self.values, patient_of(self.cases, patients))
        return replace(self, cases=names, values=values)


def check_same_classes(first: Importances, second: Importances) -> None:
    """Raise unless two data sets have the same classes and kind.

    E[a, b] is a share of what all classes of a model receive together, background included; with other classes
    beside it, it means something else, so a class that one model lacks cannot just be left out.

    Raises:
        DataError: They differ; the message names the classes.
    """
    if first.kind != second.kind:
        raise DataError(f"expected one kind of RoI importance, got {first.kind.value} and {second.kind.value}.")
    one, other = (sorted({*a.classes} - {*b.classes}) for a, b in ((first, second), (second, first)))
    if one or other:
        raise DataError(
            f"expected data sets with the same classes, got classes only in the first ({one}) or only in the second "
            f"({other}). Compare models with the same classes."
        )


def _check_one_set_of_classes(
    rows: NDArray[np.intp], cases: pd.Index, targets: pd.Index, sources: pd.Index, regions: tuple[str, ...]
) -> None:
    """Raise unless every case has a row for every target and every class."""
    absent = [name for name in regions if name not in sources]
    gaps = np.argwhere(rows[:, :, np.isin(sources, regions)] == 0)
    if not absent and not len(gaps):
        return
    if absent:
        came = f"no source {absent}"
    else:
        n, k, r = gaps[0]
        source = sources[np.isin(sources, regions)][r]
        came = f"no row for target {targets[k]!r}, source {source!r} of case {cases[n]!r}"
    raise DataError(
        f"roi_importance: expected the same classes and targets in all cases, got {came}. "
        "Analyse runs with different classes or targets one by one."
    )
