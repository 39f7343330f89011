"""How well the regions are segmented that an explanation speaks of (paper, Table 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agg2exp.analysis.dice import dice_of
from agg2exp.analysis.performance import mean_dice, models_differ, poor_regions
from agg2exp.domain.errors import DataError
from agg2exp.report.data_set import DataSet
from agg2exp.report.outputs import Output
from agg2exp.report.study import Study

Groups = Mapping[str, Sequence[str]]

SEGMENTING = ("model", "preprocessing", "windows", "module")
"""Parts of the settings that a segmentation depends on."""


def dice_tables(data_sets: Sequence[DataSet], groups: Groups) -> Iterator[Output]:
    """Mean Dice per data set and class, and with groups averaged (Table 3)."""
    yield "dice", mean_dice({data.name: data.segmentation for data in data_sets})
    if groups:
        yield "dice_of_groups", mean_dice({data.name: dice_of(data.segmentation, groups) for data in data_sets})


def poor(study: Study) -> Iterator[Output]:
    """Cases and classes with Dice below 0.5, where predicted regions mislead."""
    yield "poor_regions", poor_regions(study.data.segmentation)


def of_other_models(data_sets: Sequence[DataSet]) -> list[DataSet]:
    """Of each way to segment the data set with most Dice, since methods that explain one model have it in common."""
    alike: dict[str, list[DataSet]] = {}
    for data in data_sets:
        segmenting = data.name if data.provenance is None else str(data.provenance.only(*SEGMENTING))
        alike.setdefault(segmenting, []).append(data)
    return [max(same, key=_n_dice) for same in alike.values()]


def _n_dice(data: DataSet) -> int:
    return int(data.segmentation["dice"].count())


def differences(data_sets: Sequence[DataSet], groups: Groups, name: str) -> Iterator[Output]:
    """Whether models differ in Dice on the same cases.

    Raises:
        DataError: Fewer than two have Dice; or, once the others were compared, some have none.
    """
    with_dice = [data for data in data_sets if _n_dice(data)]
    table = models_differ({data.name: dice_of(data.segmentation, groups) for data in with_dice})
    table.insert(0, "data_sets", ", ".join(data.name for data in with_dice))
    yield name, table
    without = ", ".join(data.name for data in data_sets if not _n_dice(data))
    if without:
        raise DataError(f"{without}: expected Dice of some case and class, got none. The others were compared.")
