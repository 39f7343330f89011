"""Slices of each case."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning import LightningModule, Trainer

from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.case import Case
from agg2exp.domain.doubt import doubt
from agg2exp.domain.errors import check_range
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import Labels
from agg2exp.domain.names import safe_name
from agg2exp.domain.upright import upright
from agg2exp.figures.shown_scan import ShownScan
from agg2exp.figures.slices import Caption, slice_picture
from agg2exp.figures.style import save
from agg2exp.run.case_writer import CaseWriter, known_classes

log = logging.getLogger(__name__)


class SlicePictures(CaseWriter):
    """Writes `figures/slices/<case>/<class>.png`; a class that is not predicted has none.

    Args:
        output: The run's folder.
        classes: "all" or names of classes.
        first: Only the first so many cases of the data set; None for all.
        top_fraction: Share of the voxels, strongest |attribution| first, that is shown.
    """

    stage = "slice pictures"

    def __init__(
        self,
        output: str | Path,
        classes: Sequence[str] | str = "all",
        first: int | None = None,
        top_fraction: float = 0.05,
    ) -> None:
        super().__init__(output)
        check_range("top_fraction", top_fraction, 0, 1)
        self.classes = classes
        self.first = first
        self.top_fraction = top_fraction
        self._chosen: frozenset[str] | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Fix which cases get pictures; an unknown class is told now, not after the first case."""
        datamodule: Any = trainer.datamodule  # type: ignore[attr-defined]  # set by Trainer.predict
        self._chosen = None if self.first is None else frozenset(datamodule.expected()[: self.first])
        labels: Any = pl_module.labels
        known_classes(labels, self.classes, "callbacks.slices.classes")

    def write_case(self, labels: Labels, case: Case, explanation: Explanation) -> None:
        """Draw the classes of one case."""
        if self._chosen is not None and case.id not in self._chosen:
            return
        folder = self.output / "figures" / "slices" / safe_name(case.id)
        wanted = labels.indices(self.classes)
        masks = explanation.prediction.masks
        scan = ShownScan.of(case.image.cpu().numpy(), case.grid, case.shown, case.channels)
        voxels = explanation.prediction.voxels().tolist()
        dice = np.full(len(labels), np.nan)
        if case.annotation is not None:
            dice, _ = dice_and_iou(explanation.prediction.masks, case.annotation, case.annotated)
        for k, c in enumerate(explanation.classes):
            if c not in wanted or not voxels[c]:
                continue
            method, why = explanation.settings["method"], doubt(voxels[c], dice[c])
            picture = slice_picture(
                scan,
                upright(masks.mask(c).cpu().numpy(), case.grid),
                upright(explanation.attribution.dense(k).cpu().numpy(), case.grid),
                Caption(case.id, labels.classes[c], method, why),
                self.top_fraction,
            )
            save(picture, folder / f"{safe_name(labels.classes[c])}.png")
