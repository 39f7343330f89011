"""RoI importance of every case, and the tables over all of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.aggregation.global_importance import global_importance
from agg2exp.aggregation.local_importance import local_importance
from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.attribution import Attribution, SupervoxelAttribution
from agg2exp.domain.case import Case
from agg2exp.domain.description import described
from agg2exp.domain.doubt import POOR_DICE
from agg2exp.domain.errors import CaseError, check_choice
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import LabelScheme
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.roi_importance import Kind, LocalImportance
from agg2exp.inference.network_check import is_out_of_memory
from agg2exp.run.case_writer import CaseWriter
from agg2exp.run.finisher import Explained
from agg2exp.store.case_store import CASE_FILES, CaseResult, CaseStore, SupervoxelValues
from agg2exp.store.tables import (
    GLOBAL_IMPORTANCE,
    ROI_IMPORTANCE,
    case_tables,
    check_same_settings,
    write_tables,
)

log = logging.getLogger(__name__)

OF_TWINS = (Kind.IMPORTANCE, Kind.EXPECTED_BY_DISTANCE)
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

    def write_case(self, labels: LabelScheme, case: Case, explanation: Explanation) -> None:
        """Aggregate one case and write its file."""
        self.store.write(self.result(labels, case, explanation))

    def result(self, labels: LabelScheme, case: Case, explanation: Explanation) -> CaseResult:
        """RoI importance, Dice and IoU of one case.

        Raises:
            CaseError: Regions should come from labels, and the case has none.
        """
        predicted = explanation.prediction.labels
        regions = predicted
        unknown: tuple[int, ...] = ()
        if self.regions == "label":
            if not isinstance(case.annotation, ExclusiveMasks):
                raise CaseError(case.id, "regions=label needs an annotation, this case has none.")
            regions = case.annotation.label_map
            unknown = tuple(c for c, known in enumerate(case.annotated) if not known)

        def importance_of(attribution: Attribution) -> LocalImportance:
            expected = None
            if self.by_distance and case.body is not None:
                expected = expected_by_distance(
                    case.id,
                    attribution,
                    explanation.classes,
                    len(labels),
                    predicted,
                    regions,
                    case.body,
                    case.grid.spacing,
                    extra=case.extra,
                )
            return local_importance(
                case.id,
                attribution,
                explanation.classes,
                labels,
                predicted,
                regions,
                voxel_volume=case.grid.voxel_volume,
                unknown=unknown,
                extra=case.extra,
                body=case.body,
                expected=expected,
            )

        def of_twin(twin: Callable[[], Attribution]) -> LocalImportance:
            return importance_of(twin().to(predicted.device))

        importance = importance_of(explanation.attribution)
        dice = iou = np.full(len(labels), np.nan)
        if isinstance(case.annotation, ExclusiveMasks):
            dice, iou = dice_and_iou(predicted, case.annotation.label_map, case.annotated, len(labels))
            self._warn_of_poor_regions(labels, case, dice)
        return CaseResult(
            importance=importance,
            classes=labels.classes,
            voxels=explanation.prediction.voxels().cpu().numpy(),
            dice=dice,
            iou=iou,
            settings={**explanation.settings, **self.settings(), CASE_FILES: case.fingerprint},
            passes=explanation.passes,
            seconds=explanation.seconds,
            memory_fallback=explanation.memory_fallback,
            notes=_arrays(explanation.attribution.notes),
            metrics=_arrays(explanation.metrics),
            curves=_arrays(explanation.curves),
            efficiency=_arrays(explanation.efficiency),
            twins=_of_twins(importance, [partial(of_twin, twin) for twin in explanation.twins]),
            supervoxels=_supervoxel_values(explanation.attribution),
            origin=case.origin,
        )

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
        write_tables(self.output / "tables", tables)

    def _warn_of_poor_regions(self, labels: LabelScheme, case: Case, dice: Any) -> None:
        poor = [f"{labels.classes[c]} {dice[c]:.2f}" for c in range(1, len(labels)) if dice[c] < POOR_DICE]
        if poor and self.regions == "prediction":
            log.warning(
                "case %s: predicted regions are poor (Dice below %.1f), read their importance with care: %s",
                case.id,
                POOR_DICE,
                ", ".join(poor),
            )


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[np.float64]]:
    return {name: tensor.double().cpu().numpy() for name, tensor in tensors.items()}


def _of_twins(
    importance: LocalImportance, twins: Sequence[Callable[[], LocalImportance]]
) -> dict[str, NDArray[np.float64]]:
    """Importance and its expectation by distance of each twin of the network, by kind (T, K, R).

    A twin whose attribution is not finite has NaN: random weights may overflow, which is no failure of the case. Where
    a twin runs out of memory, the case fails, so that it is tried again: an edge counts as learned by all twins.

    Raises:
        CaseError: Out of memory.
    """
    found: list[Mapping[Kind, NDArray[np.float64]]] = []
    for number, twin in enumerate(twins, start=1):
        try:
            found.append(twin().values)
        except CaseError as error:
            log.warning("twin %d of the network, with random weights, has no importances: %s", number, error)
            found.append(dict.fromkeys(OF_TWINS, np.full_like(importance.values[Kind.IMPORTANCE], np.nan)))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise CaseError(
                importance.case_id,
                f"out of memory in twin {number} of the network, after the network itself was explained. Explain fewer "
                "classes at a time (module.class_chunk=1), or without twins in another run (twins=0).",
            ) from error
    return {kind.value: np.stack([values[kind] for values in found]) for kind in OF_TWINS} if found else {}


def _supervoxel_values(attribution: Attribution) -> SupervoxelValues | None:
    """φ with its standard errors, if the attribution is one of supervoxels."""
    if not isinstance(attribution, SupervoxelAttribution):
        return None
    values = attribution.values.double().cpu()
    errors, numbers = attribution.standard_errors, attribution.numbers
    return SupervoxelValues(
        voxels=attribution.partition.flatten().bincount(minlength=values.shape[1]).cpu().numpy(),
        values=values.numpy(),
        errors=torch.full_like(values, torch.nan).numpy() if errors is None else errors.cpu().numpy(),
        labels=None if numbers is None else numbers.cpu().numpy(),
        names=() if numbers is None else tuple(attribution.names.get(n, "") for n in numbers.tolist()),
    )
