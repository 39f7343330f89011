"""The parts of an analysis, in the order in which they are made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.report import abnormality, between, highlight, relations, segmentation
from agg2exp.report.data_set import DataSet
from agg2exp.report.outlier_slices import ReadScan, outlier_slices
from agg2exp.report.outputs import EVERYTHING, Artefact, LeftOut, file_of
from agg2exp.report.segmentation import Groups
from agg2exp.report.settings import AnalysisSettings

log = logging.getLogger(__name__)

PUBLIC, PRIVATE = True, False
"""Only what is about all patients together may go to a tracker: nothing of one patient, and no metadata."""


@dataclass(frozen=True)
class Part:
    """A part of the analysis.

    Attributes:
        data_set: What it is about.
        name: What it is.
        public: Whether its artefacts are about no single patient.
        made: Makes the artefacts when iterated.
    """

    data_set: str
    name: str
    public: bool
    made: Iterable[Artefact]


def usable(data_sets: Sequence[DataSet], reference: str | None, left_out: list[LeftOut]) -> list[DataSet]:
    """The data sets whose RoI importances form one table; of the others it is noted why not.

    Raises:
        DataError: None does, or not the one that is the reference.
    """
    good, reasons = [], {}
    damaged = {item.data_set: item.reason for item in left_out if item.part == EVERYTHING}
    if reference in damaged:
        raise DataError(f"{reference}: {damaged[reference]}")
    for data in data_sets:
        try:
            data.importances(Kind.IMPORTANCE)
            good.append(data)
        except DataError as error:
            reasons[data.name] = str(error)
            if data.name == reference or len(reasons) == len(data_sets):
                raise DataError("; ".join(f"{name}: {reason}" for name, reason in reasons.items())) from error
    for name, reason in reasons.items():
        log.warning("%s is left out: %s", name, reason)
        left_out.append(LeftOut(name, EVERYTHING, reason))
    return good


def parts_of(
    data: DataSet, reference: DataSet, settings: AnalysisSettings, read_scan: ReadScan | None
) -> Iterator[Part]:
    """The parts that concern one data set.

    Args:
        data: The data set.
        reference: What the forests take as normal.
        settings: Choices of the user.
        read_scan: Reads what the slices of outliers show; None for no slices.

    Raises:
        DataError: The RoI importances do not form one table.
    """
    importances = data.importances(Kind.IMPORTANCE)
    matrix = data.matrix(importances, settings.draws, settings.seed)
    ranking = pd.DataFrame()

    def ranked() -> Iterator[Artefact]:
        nonlocal ranking
        ranking = abnormality.outliers(data, reference, settings)
        yield "outliers", ranking

    def with_ranking(make: Callable[[pd.DataFrame], Iterable[Artefact]]) -> Iterator[Artefact]:
        if ranking.empty:
            raise DataError("the cases could not be ranked")
        yield from make(ranking)

    def metadata(table: pd.DataFrame) -> Iterator[Artefact]:
        yield from abnormality.metadata_of_outliers(data, table, settings)

    def drawn(table: pd.DataFrame) -> Iterator[Artefact]:
        target = highlight.chosen_target(importances, settings.focus)
        shown = abnormality.extremes(table, target)
        yield "outlier_slices", shown
        if read_scan is not None:
            yield "outlier_slices", outlier_slices(data, shown, target, read_scan)

    def panels() -> Iterator[Artefact]:
        yield from highlight.four_panels(data, importances, matrix, None if ranking.empty else ranking, settings.focus)

    parts: list[tuple[str, bool, Iterable[Artefact]]] = [
        ("presence of sources", PUBLIC, [("presence", relations.presence(data))]),
        *((f"heat map of {kind.value}", PUBLIC, relations.heat_map_of(data, kind, settings))
          for kind in relations.MAPPED),
        ("distributions", PRIVATE, relations.distributions(data, importances)),
        ("graph", PUBLIC, relations.graph(data, matrix, settings)),
        ("edges beyond distance", PUBLIC, relations.graph_beyond_distance(data, importances, matrix, settings)),
        ("poor regions", PRIVATE, segmentation.poor(data)),
        ("outliers", PRIVATE, ranked()),
        ("outliers and Dice", PUBLIC, abnormality.correlation_with_dice(data, reference, settings)),
        *([] if data.metadata is None else [("outliers and metadata", PRIVATE, with_ranking(metadata))]),
        ("slices of outliers", PRIVATE, with_ranking(drawn)),
        ("four panels", PRIVATE, panels()),
    ]  # fmt: skip
    folder = file_of(data.name)
    for name, public, made in parts:
        yield Part(data.name, name, public, _below(folder, made))


def parts_across(data_sets: Sequence[DataSet], groups: Groups, settings: AnalysisSettings) -> Iterator[Part]:
    """The parts that concern all data sets together, or pairs of them."""
    everything = "all data sets" if len(data_sets) > 1 else data_sets[0].name
    yield Part(everything, "context", PRIVATE, between.context_of(data_sets))
    yield Part(everything, "Dice", PUBLIC, segmentation.dice_tables(data_sets, groups))
    together = between.of_the_same_scans(data_sets)
    if together:
        yield Part(everything, "agreement", PUBLIC, between.agreement_of(data_sets))
    models = [models for models in map(segmentation.of_other_models, together) if len(models) > 1]
    for n, of_group in enumerate(models, start=1):
        name = "dice_differences" if len(models) == 1 else f"dice_differences_{n}"
        names = ", ".join(data.name for data in of_group)
        yield Part(names, "differences of Dice", PUBLIC, segmentation.differences(of_group, groups, name))
    for first, second in combinations(data_sets, 2):
        if not between.shared_cases(first, second):
            yield Part(f"{first.name}, {second.name}", "change", PUBLIC, between.change(first, second, settings))


def _below(folder: str, made: Iterable[Artefact]) -> Iterator[Artefact]:
    for name, content in made:
        yield f"{folder}/{name}", content
