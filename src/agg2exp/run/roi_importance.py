"""RoI importance of every case, and the tables over all of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from lightning import LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from agg2exp.aggregation.global_by_channel import global_importance_by_channel
from agg2exp.aggregation.global_importance import global_importance
from agg2exp.domain.case import Case
from agg2exp.domain.description import described
from agg2exp.domain.errors import check_choice
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import Labels
from agg2exp.domain.roi_importance import Kind
from agg2exp.explaining.case_result import case_result
from agg2exp.run.case_writer import CaseWriter
from agg2exp.run.finisher import Explained
from agg2exp.store.case_result import CaseResult
from agg2exp.store.case_store import CaseStore
from agg2exp.store.tables import (
    GLOBAL_BY_CHANNEL,
    GLOBAL_IMPORTANCE,
    IMPORTANCE_BY_CHANNEL,
    ROI_IMPORTANCE,
    case_tables,
    check_same_settings,
    write_tables,
)

log = logging.getLogger(__name__)

ELSEWHERE = ("regions", "by_distance", "output", "draws", "failures", "store", "interval", "write_interval",
             "log", "log_dict")  # fmt: skip
"""Attributes of the writer that the result of a case does not depend on, or that have a setting of their own name."""


class RoIImportanceWriter(CaseWriter):
    """Writes `cases/<case>.safetensors` after each case and `tables/*.parquet` at the end.

    Args:
        output: The run's folder.
        regions: "prediction" (as in the paper) or "label": where the source regions come from.
        by_distance: Also compute what each region would receive if attribution depended on distance alone.
        draws: Bootstrap draws for the intervals of the global importance.

    Raises:
        SettingError: `regions` is neither of the two.
    """

    stage = "aggregating"

    def __init__(
        self, output: str | Path, regions: str = "prediction", by_distance: bool = True, draws: int = 1000
    ) -> None:
        super().__init__(output)
        check_choice("regions", regions, ("prediction", "label"))
        self.regions = regions
        self.by_distance = by_distance
        self.draws = draws
        self.store = CaseStore(self.output)

    def write_case(self, labels: Labels, case: Case, explanation: Explanation) -> None:
        """Aggregate one case and write its file."""
        self.store.write(self.result(labels, case, explanation))

    def result(self, labels: Labels, case: Case, explanation: Explanation) -> CaseResult:
        """RoI importance, Dice and IoU of one case."""
        return case_result(case, explanation, labels, self.regions, self.by_distance, self.settings())

    def settings(self) -> dict[str, str]:
        """What the result depends on besides the explanation's own settings."""
        own = described(self, without=ELSEWHERE)
        return {
            "regions": self.regions,
            "by_distance": str(self.by_distance),
            **{f"importance: {name}": value for name, value in own.items()},
        }

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait for all ranks, since their cases belong into the tables."""
        trainer.strategy.barrier()

    def finish(self, loggers: Sequence[Logger], module: Explained, expected: Sequence[str]) -> None:
        """Write the tables over the expected cases that are done; a damaged result is named and left out."""
        results, damaged = self.store.readable(expected)
        for case, problem in damaged.items():
            log.error("case %s is left out of the tables: %s", case, problem)
        if not results:
            log.warning("no case was finished, there are no tables")
            return
        check_same_settings(results)
        tables = case_tables(results)
        local = tables[ROI_IMPORTANCE]
        tables[GLOBAL_IMPORTANCE] = pd.concat(
            [global_importance(local, kind, draws=self.draws).to_frame() for kind in Kind], ignore_index=True
        )
        if IMPORTANCE_BY_CHANNEL in tables:
            by_channel = tables[IMPORTANCE_BY_CHANNEL]
            tables[GLOBAL_BY_CHANNEL] = global_importance_by_channel(by_channel, draws=self.draws)
        write_tables(self.output / "tables", tables)
