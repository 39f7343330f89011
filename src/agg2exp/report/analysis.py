"""The sections of an analysis, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations

from agg2exp.report import abnormality, between, channels, highlight, relations, segmentation
from agg2exp.report.data_set import DataSet
from agg2exp.report.section import PRIVATE, PUBLIC, Plan, Section
from agg2exp.report.segmentation import Groups
from agg2exp.report.settings import AnalysisSettings
from agg2exp.report.study import Study

OF_ONE = (
    Plan("presence of sources", PUBLIC, relations.presence_of_sources),
    *(Plan(f"heat map of {kind.value}", PUBLIC, partial(relations.heat_map_of, kind=kind))
      for kind in relations.MAPPED),
    Plan("channels", PUBLIC, channels.channels, channels.has_channels),
    Plan("distributions", PRIVATE, relations.distributions),
    Plan("graph", PUBLIC, relations.graph),
    Plan("edges beyond distance", PUBLIC, relations.graph_beyond_distance),
    Plan("poor regions", PRIVATE, segmentation.poor),
    Plan("outliers", PRIVATE, abnormality.outliers),
    Plan("outliers and Dice", PUBLIC, abnormality.correlation_with_dice),
    Plan("outliers and metadata", PRIVATE, abnormality.metadata_of_outliers, abnormality.has_metadata),
    Plan("slices of outliers", PRIVATE, abnormality.slices_of_outliers),
    Plan("four panels", PRIVATE, highlight.four_panels),
)  # fmt: skip
"""The sections about one data set."""


def sections_of(study: Study) -> Iterator[Section]:
    """The sections about one data set."""
    return (plan.of(study) for plan in OF_ONE if plan.wanted(study))


def sections_between(data_sets: Sequence[DataSet], groups: Groups, settings: AnalysisSettings) -> Iterator[Section]:
    """The sections about all data sets together, or pairs of them."""
    everything = "all data sets" if len(data_sets) > 1 else data_sets[0].name
    yield Section(everything, "context", PRIVATE, between.context_of(data_sets))
    yield Section(everything, "Dice", PUBLIC, segmentation.dice_tables(data_sets, groups))
    together = between.of_the_same_scans(data_sets)
    if together:
        yield Section(everything, "agreement", PUBLIC, between.agreement_of(data_sets))
    models = [models for models in map(segmentation.of_other_models, together) if len(models) > 1]
    for n, of_group in enumerate(models, start=1):
        name = "dice_differences" if len(models) == 1 else f"dice_differences_{n}"
        names = ", ".join(data.name for data in of_group)
        yield Section(names, "differences of Dice", PUBLIC, segmentation.differences(of_group, groups, name))
    for first, second in combinations(data_sets, 2):
        if not between.shared_cases(first, second):
            yield Section(f"{first.name}, {second.name}", "change", PUBLIC, between.change(first, second, settings))
