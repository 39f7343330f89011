"""RoI importance of every case."""

from __future__ import annotations

from pathlib import Path

from lightning import LightningModule, Trainer

from agg2exp.domain.case import Case
from agg2exp.domain.description import described
from agg2exp.domain.errors import check_choice
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import Labels
from agg2exp.explaining.case_result import case_result
from agg2exp.run.case_writer import CaseWriter
from agg2exp.store.case_result import CaseResult
from agg2exp.store.case_store import CaseStore

ELSEWHERE = ("regions", "by_distance", "output", "failures", "store", "interval", "write_interval",
             "log", "log_dict")  # fmt: skip
"""Attributes of the writer that the result of a case does not depend on, or that have a setting of their own name."""


class RoIImportanceWriter(CaseWriter):
    """Writes `cases/<case>.safetensors`, which says that the case is done, hence after its other writers.

    Args:
        output: The run's folder.
        regions: "prediction" (as in the paper) or "label": where the source regions come from.
        by_distance: Also compute what each region would receive if attribution depended on distance alone.

    Raises:
        SettingError: `regions` is neither of the two.
    """

    stage = "aggregating"

    def __init__(self, output: str | Path, regions: str = "prediction", by_distance: bool = True) -> None:
        super().__init__(output)
        check_choice("regions", regions, ("prediction", "label"))
        self.regions = regions
        self.by_distance = by_distance
        self.store = CaseStore(self.output)

    def write_case(self, labels: Labels, case: Case, explanation: Explanation) -> None:
        """Aggregate one case and write its file."""
        self.store.write(self.result(labels, case, explanation))

    def result(self, labels: Labels, case: Case, explanation: Explanation) -> CaseResult:
        """RoI importance, Dice and IoU of one case."""
        return case_result(case, explanation, labels, self.regions, self.by_distance, self.settings())

    def settings(self) -> dict[str, str]:
        """What the result depends on besides the explanation's own settings."""
        own = {} if type(self) is RoIImportanceWriter else described(self, without=ELSEWHERE)
        return {
            "regions": self.regions,
            "by_distance": str(self.by_distance),
            **{f"importance: {name}": value for name, value in own.items()},
        }

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait for all ranks, since their cases belong into the tables."""
        trainer.strategy.barrier()
