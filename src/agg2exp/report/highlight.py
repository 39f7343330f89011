"""What the four-panel summary and the slices show where the user does not say (paper, Fig. 12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from agg2exp.analysis.importances import Importances
from agg2exp.analysis.joining import group_names
from agg2exp.analysis.outliers import MEAN
from agg2exp.domain.chosen import chosen_ids
from agg2exp.domain.errors import DataError, SettingError, check_choice
from agg2exp.domain.roi_importance import GlobalImportance
from agg2exp.figures.summary import summary_picture
from agg2exp.report.data_set import DataSet
from agg2exp.report.outputs import Artefact
from agg2exp.report.settings import Focus

STRONGEST = 5  # sources beside the target in the small heat map and graph


def check_focus(focus: Focus, data_sets: Sequence[DataSet]) -> Focus:
    """The focus with the case id as it is written; `SettingError` for a region that is not there, or a case.

    The target must be explained, and of the classes in focus at least one; the others may be any sources.
    """
    for data in data_sets:
        targets, sources = (
            dict.fromkeys(group_names(list(pd.unique(data.local[role])), data.join, data.labels.classes))
            for role in ("target", "source")
        )
        if focus.target is not None:
            check_choice("focus", focus.target, targets)
        for name in focus.classes or ():
            check_choice("focus", name, sources)
        if focus.classes is not None and not {*focus.classes} & {*targets}:
            allowed = "at least one class that was explained: " + ", ".join(targets)
            raise SettingError("focus.classes", list(focus.classes), allowed)
    if focus.case is None:
        return focus
    known = list(dict.fromkeys(case for data in data_sets for case in data.cases))
    return replace(focus, case=chosen_ids("focus.case", focus.case, known, "the runs")[0])


def chosen_target(importances: Importances, focus: Focus) -> str:
    """The class in focus: if none is named, a structure that most cases have, and of those the one with most context.

    Raises:
        DataError: No structure has a value, or the class that is named has none.
    """
    own = {name: importances.values[:, importances.targets.index(name), importances.sources.index(name)]
           for name in importances.targets}  # fmt: skip
    counts = {name: int(np.isfinite(values).sum()) for name, values in own.items()}
    if focus.target is not None:
        if not counts[focus.target]:
            raise DataError(
                f"focus.target: expected a class that some case has, got {focus.target}, which is absent from all "
                f"{len(importances.cases)} predictions or has no attribution. "
                f"Classes with values: {', '.join(name for name in counts if counts[name])}"
            )
        return focus.target
    structures = [name for name in importances.targets if name != importances.classes[0]]  # not background
    if not any(counts[name] for name in structures):
        raise DataError("no structure was predicted in any case")
    most = [name for name in structures if counts[name] == max(counts[other] for other in structures)]
    return min(most, key=lambda name: float(np.nanmean(own[name])))


def chosen_case(importances: Importances, target: str, outliers: pd.DataFrame | None, focus: Focus) -> str:
    """The patient in focus: if none of this data set is named, the most abnormal that has the target.

    Raises:
        DataError: The case lacks the target.
    """
    known = np.isfinite(importances.values[:, importances.targets.index(target)]).any(axis=1)
    having = [importances.cases[n] for n in np.flatnonzero(known)]
    if focus.case in importances.cases:
        if focus.case not in having:
            raise DataError(f"case {focus.case} has no {target}; cases that have: {', '.join(having[:10])}, …")
        return str(focus.case)
    if outliers is None:
        return having[0]
    ranked = outliers[(outliers["target"] == MEAN) & outliers["case"].isin(having)].sort_values("rank")
    return str(ranked["case"].iloc[0])


def chosen_classes(matrix: GlobalImportance, target: str, focus: Focus) -> tuple[str, ...]:
    """The regions in focus: if none are named, the target and the sources it relies on most, in the matrix's order."""
    if focus.classes is not None:
        return tuple(focus.classes)
    row = pd.Series(matrix.mean[matrix.targets.index(target)], index=list(matrix.sources))
    chosen = {target, *row.drop(target).nlargest(STRONGEST).index}
    return tuple(name for name in matrix.sources if name in chosen)


def four_panels(
    data: DataSet, importances: Importances, matrix: GlobalImportance, outliers: pd.DataFrame | None, focus: Focus
) -> Iterator[Artefact]:
    """One patient, all patients, a few classes as heat map and as graph."""
    target = chosen_target(importances, focus)
    case = chosen_case(importances, target, outliers, focus)
    classes = chosen_classes(matrix, target, focus)
    k, n = importances.targets.index(target), importances.cases.index(case)
    yield (
        "summary",
        pd.DataFrame({"case": case, "target": target, "source": importances.sources,
                      "importance": importances.values[n, k], "mean": matrix.mean[k]}),
    )  # fmt: skip
    yield "summary", summary_picture(importances, matrix, data.scheme, target=target, case=case, classes=classes)
