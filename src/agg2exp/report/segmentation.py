"""How well the regions are segmented that an explanation speaks of (paper, Table 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from agg2exp.analysis.dice import joined_dice
from agg2exp.analysis.performance import mean_dice, models_differ, poor_regions
from agg2exp.domain.errors import DataError
from agg2exp.report.data_set import DataSet
from agg2exp.report.outputs import Artefact

Groups = Mapping[str, Sequence[str]]

SEGMENTING = ("model", "inference", "data.preprocessing")
"""Settings that a segmentation depends on."""


def dice_of(segmentation: pd.DataFrame, groups: Groups) -> pd.DataFrame:
    """Dice per case and class, the classes of a group averaged."""
    return joined_dice(segmentation, groups) if groups else segmentation


def dice_tables(data_sets: Sequence[DataSet], groups: Groups) -> Iterator[Artefact]:
    """Mean Dice per data set and class, and with groups averaged (Table 3)."""
    yield "dice", mean_dice({data.name: data.segmentation for data in data_sets})
    if groups:
        yield "dice_of_groups", mean_dice({data.name: dice_of(data.segmentation, groups) for data in data_sets})


def poor(data: DataSet) -> Iterator[Artefact]:
    """Cases and classes with Dice below 0.5, where predicted regions mislead."""
    yield "poor_regions", poor_regions(data.segmentation)


def of_other_models(data_sets: Sequence[DataSet]) -> list[DataSet]:
    """Of each way to segment the data set with most Dice, since methods that explain one model have it in common."""
    alike: dict[str, list[DataSet]] = {}
    for data in data_sets:
        segmenting = data.name if data.settings is None else repr([data.settings.get(name) for name in SEGMENTING])
        alike.setdefault(segmenting, []).append(data)
    return [max(same, key=_known) for same in alike.values()]


def _known(data: DataSet) -> int:
    return int(data.segmentation["dice"].count())


def differences(data_sets: Sequence[DataSet], groups: Groups, name: str) -> Iterator[Artefact]:
    """Whether models differ in Dice on the same cases.

    Raises:
        DataError: Fewer than two have Dice; or, once the others were compared, some have none.
    """
    known = [data for data in data_sets if _known(data)]
    table = models_differ({data.name: dice_of(data.segmentation, groups) for data in known})
    table.insert(0, "data_sets", ", ".join(data.name for data in known))
    yield name, table
    without = ", ".join(data.name for data in data_sets if not _known(data))
    if without:
        raise DataError(f"{without}: expected Dice of some case and class, got none. The others were compared.")
