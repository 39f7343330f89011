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
from agg2exp.report.outputs import Output
from agg2exp.report.settings import Highlight
from agg2exp.report.study import Study

SOURCES_BESIDE = 5  # sources beside the target in the small heat map and graph


def check_highlight(asked: Highlight, data_sets: Sequence[DataSet]) -> Highlight:
    """What was asked for with the case id as it is written; `SettingError` for a region that is not there, or a case.

    The target must be explained, and of the classes at least one; the others may be any sources.
    """
    for data in data_sets:
        targets, sources = (
            dict.fromkeys(group_names(list(pd.unique(data.local[role])), data.join, data.labels.sources))
            for role in ("target", "source")
        )
        if asked.target is not None:
            check_choice("highlight", asked.target, targets)
        for name in asked.classes or ():
            check_choice("highlight", name, sources)
        if asked.classes is not None and not {*asked.classes} & {*targets}:
            allowed = "at least one class that was explained: " + ", ".join(targets)
            raise SettingError("highlight.classes", list(asked.classes), allowed)
    if asked.case is None:
        return asked
    known = list(dict.fromkeys(case for data in data_sets for case in data.cases))
    return replace(asked, case=chosen_ids("highlight.case", asked.case, known, "the runs")[0])


def chosen_target(importances: Importances, asked: Highlight) -> str:
    """The class to show: if none is named, a structure that most cases have, and of those the one with most context.

    Raises:
        DataError: No structure has a value, or the class that is named has none.
    """
    self_importance = {name: importances.values[:, importances.targets.index(name), importances.sources.index(name)]
           for name in importances.targets}  # fmt: skip
    counts = {name: int(np.isfinite(values).sum()) for name, values in self_importance.items()}
    if asked.target is not None:
        if not counts[asked.target]:
            raise DataError(
                f"highlight.target: expected a class that some case has, got {asked.target}, which is absent from all "
                f"{len(importances.cases)} predictions or has no attribution. "
                f"Classes with values: {', '.join(name for name in counts if counts[name])}"
            )
        return asked.target
    structures = [name for name in importances.targets if name != importances.classes[0]]  # not background
    if not any(counts[name] for name in structures):
        raise DataError("no structure was predicted in any case")
    most = [name for name in structures if counts[name] == max(counts[other] for other in structures)]
    return min(most, key=lambda name: float(np.nanmean(self_importance[name])))


def chosen_case(importances: Importances, target: str, ranking: pd.DataFrame | None, asked: Highlight) -> str:
    """The patient to show: if none of this data set is named, the most abnormal that has the target.

    Where the cases could not be ranked, it is the first that has the target.

    Raises:
        DataError: The case lacks the target.
    """
    has_target = np.isfinite(importances.values[:, importances.targets.index(target)]).any(axis=1)
    cases = [importances.cases[n] for n in np.flatnonzero(has_target)]
    if asked.case in importances.cases:
        if asked.case not in cases:
            raise DataError(f"case {asked.case} has no {target}; cases that have: {', '.join(cases[:10])}, …")
        return str(asked.case)
    if ranking is None:
        return cases[0]
    ranked = ranking[(ranking["target"] == MEAN) & ranking["case"].isin(cases)].sort_values("rank")
    return str(ranked["case"].iloc[0])


def chosen_classes(matrix: GlobalImportance, target: str, asked: Highlight) -> tuple[str, ...]:
    """The regions to show: if none are named, the target and the sources it relies on most, in the matrix's order."""
    if asked.classes is not None:
        return tuple(asked.classes)
    row = pd.Series(matrix.mean[matrix.targets.index(target)], index=list(matrix.sources))
    chosen = {target, *row.drop(target).nlargest(SOURCES_BESIDE).index}
    return tuple(name for name in matrix.sources if name in chosen)


def four_panels(study: Study) -> Iterator[Output]:
    """One patient, all patients, a few classes as heat map and as graph."""
    importances, matrix, asked = study.importances, study.matrix, study.settings.highlight
    target = chosen_target(importances, asked)
    case = chosen_case(importances, target, study.ranking_if_any, asked)
    classes = chosen_classes(matrix, target, asked)
    k, n = importances.targets.index(target), importances.cases.index(case)
    yield (
        "summary",
        pd.DataFrame({"case": case, "target": target, "source": importances.sources,
                      "importance": importances.values[n, k], "mean": matrix.mean[k]}),
    )  # fmt: skip
    picture = summary_picture(importances, matrix, study.data.joined_anatomy, target=target, case=case, classes=classes)
    yield "summary", picture
