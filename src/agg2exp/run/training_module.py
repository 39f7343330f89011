"""Train and test a segmentation model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from agg2exp.domain.case import Case, Failure
from agg2exp.domain.errors import CaseError
from agg2exp.inference import WindowedModel
from agg2exp.metrics import ClassOverlap
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.run.precision import check_precision

log = logging.getLogger(__name__)


class SegmentationModule(lightning.LightningModule):
    """Fits a network to patches and measures Dice per class on whole cases.

    Args:
        model: Its network is fitted; whole cases go through its windows.
        loss: (logits (B, L, d, h, w), labels (B, 1, d, h, w)) -> scalar; the paper's is Dice + cross-entropy (Eq. 11).
        optimizer: Makes the optimizer from the parameters (the paper's: AdamW).
    """

    def __init__(
        self,
        model: SegmentationModel,
        loss: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
    ) -> None:
        super().__init__()
        self.network, self.windows, self.labels = model.network, model.windows, model.labels
        self.loss = loss
        self.make_optimizer = optimizer
        self.overlap = nn.ModuleDict({stage: ClassOverlap(len(self.labels)) for stage in ("val", "test")})

    def forward(self, x: Tensor) -> Tensor:
        """Logits of one window batch."""
        logits: Tensor = self.network(x)
        return logits

    def on_fit_start(self) -> None:
        """Say early what would fail late."""
        self._check_precision()

    def on_test_start(self) -> None:
        """Say early what would fail late."""
        self._check_precision()

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        """Loss of one batch of patches."""
        image, label = batch["image"].as_subclass(Tensor), batch["label"].as_subclass(Tensor)
        loss: Tensor = self.loss(self(image), label)
        self.log("train/loss", loss, prog_bar=True, batch_size=image.shape[0])
        return loss

    def validation_step(self, batch: Case | Failure, batch_idx: int) -> None:
        """Dice of one validation case."""
        self._measure("val", batch)

    def test_step(self, batch: Case | Failure, batch_idx: int) -> None:
        """Dice of one test case."""
        self._measure("test", batch)

    def on_validation_epoch_end(self) -> None:
        """Log Dice per class and its mean over the structures."""
        self._log_overlap("val")

    def on_test_epoch_end(self) -> None:
        """Log Dice per class and its mean over the structures."""
        self._log_overlap("test")

    def configure_optimizers(self) -> Any:
        """The optimizer, its learning rate annealed to zero along a cosine over the steps of the run."""
        optimizer = self.make_optimizer(self.network.parameters())
        schedule = CosineAnnealingLR(optimizer, T_max=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _check_precision(self) -> None:
        mixed = ("32-true", "bf16-mixed", "16-mixed")
        check_precision(self.trainer, mixed, "Whole cases are predicted in model.windows.precision.")

    def _measure(self, stage: str, case: Case | Failure) -> None:
        if isinstance(case, Failure):
            raise CaseError(case.case_id, case.error)
        if case.annotation is None:
            log.warning("case %s has no annotation and is left out", case.id)
            return
        prediction = WindowedModel(self.network, self.windows, head=self.labels.head).predict(case.image)
        metric: Any = self.overlap[stage]
        metric.update(prediction.masks, case.annotation, case.annotated)

    def _log_overlap(self, stage: str) -> None:
        metric: Any = self.overlap[stage]
        dice = metric.compute()["dice"]
        for name, value in zip(self.labels.classes, dice.tolist(), strict=True):
            self.log(f"{stage}/dice/{name}", value)
        structures = list(self.labels.indices(self.labels.structures))
        self.log(f"{stage}/dice", torch.nanmean(dice[structures]).item(), prog_bar=True)
        metric.reset()
