"""The end of a run, a pure function of its folder: files of cases in, tables and pictures over all of them out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from agg2exp.aggregation.global_by_channel import global_importance_by_channel
from agg2exp.aggregation.global_importance import global_importance
from agg2exp.domain.errors import check_range
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.explaining.metric_summary import metric_summary
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.heat_map import heat_map
from agg2exp.figures.importance_graph import importance_graph
from agg2exp.figures.style import save
from agg2exp.store.case_result import CaseResult
from agg2exp.store.case_store import CaseStore
from agg2exp.store.tables import (
    GLOBAL_BY_CHANNEL,
    GLOBAL_IMPORTANCE,
    IMPORTANCE_BY_CHANNEL,
    METRIC_SUMMARY,
    ROI_IMPORTANCE,
    case_tables,
    check_same_settings,
    write_tables,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collecting:
    """How tables and pictures over cases are made.

    Attributes:
        anatomy: Groups and colours of the regions; by default every class has a colour of its own.
        draws: Of the bootstrap, for the intervals of the global importance.
        pictures: Whether the heat map and the graph are drawn.
        top: Sources of each target in the graph.

    Raises:
        SettingError: A number is not allowed.
    """

    anatomy: Anatomy = field(default_factory=Anatomy)
    draws: int = 1000
    pictures: bool = True
    top: int = 3

    def __post_init__(self) -> None:
        check_range("collect.draws", self.draws, 1, integer=True)
        check_range("collect.top", self.top, 1, integer=True)


@dataclass(frozen=True)
class Collected:
    """What was found in a run's folder.

    Attributes:
        done: Cases that are in the tables.
        damaged: By case, why its result cannot be read.
    """

    done: tuple[str, ...] = ()
    damaged: Mapping[str, str] = field(default_factory=dict)


def collect(folder: Path, how: Collecting, cases: Sequence[str] | None = None) -> Collected:
    """Write `tables/*.parquet`, and `figures/heat_map.png` and `graph.png`, over the cases that are done.

    The same files give the same tables, byte for byte, whoever made them and in whatever order. A damaged result is
    named in the log and left out.

    Args:
        folder: The run's folder, with the files of its cases.
        how: How they are made.
        cases: Ids of the cases that the run is about; None for all that it has files of.

    Raises:
        ValueError: Two cases were computed with different settings.
    """
    store = CaseStore(folder)
    results, damaged = store.readable(store.finished() if cases is None else cases)
    for case, problem in damaged.items():
        log.error("case %s is left out of the tables: %s", case, problem)
    if not results:
        log.warning("no case was finished, there are no tables")
        return Collected(damaged=damaged)
    tables = tables_of(results, how.draws)
    write_tables(folder / "tables", tables)
    if how.pictures:
        anatomy = how.anatomy.of(results[0].labels)
        importance = GlobalImportance.from_frame(tables[GLOBAL_IMPORTANCE], Kind.IMPORTANCE)
        save(heat_map(importance, anatomy), folder / "figures" / "heat_map.png")
        save(importance_graph(importance, anatomy, how.top), folder / "figures" / "graph.png")
    return Collected(tuple(result.importance.case_id for result in results), damaged)


def tables_of(results: Sequence[CaseResult], draws: int = 1000) -> dict[str, pd.DataFrame]:
    """Those of `case_tables`, and what they are over all cases: importance, by channel too, and metrics.

    Args:
        results: At least one.
        draws: Of the bootstrap.

    Raises:
        ValueError: Two cases were computed with different settings.
    """
    check_same_settings(results)
    tables = case_tables(results)
    kinds = [global_importance(tables[ROI_IMPORTANCE], kind, draws=draws).to_frame() for kind in Kind]
    tables[GLOBAL_IMPORTANCE] = pd.concat(kinds, ignore_index=True)
    if IMPORTANCE_BY_CHANNEL in tables:
        tables[GLOBAL_BY_CHANNEL] = global_importance_by_channel(tables[IMPORTANCE_BY_CHANNEL], draws=draws)
    summary = metric_summary(results)
    return {**tables, METRIC_SUMMARY: summary} if len(summary) else tables
