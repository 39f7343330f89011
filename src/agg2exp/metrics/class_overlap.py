"""Dice and IoU per class over cases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.masks import ClassMasks


class ClassOverlap(Metric):
    """Mean over cases of Dice = 2|P ∩ G| / (|P| + |G|) and IoU = |P ∩ G| / |P ∪ G| of every class.

    A class that was not annotated in a case, or is absent from prediction and annotation, does not count there.

    Args:
        n_classes: L.
    """

    higher_is_better: bool | None = True
    dice_sum: Tensor
    iou_sum: Tensor
    count: Tensor

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes
        for name in ("dice_sum", "iou_sum", "count"):
            self.add_state(name, torch.zeros(n_classes, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, masks: ClassMasks, annotation: ClassMasks, annotated: Sequence[bool]) -> None:
        """Add one case: where the L classes were predicted and where they are, and which were annotated (L)."""
        dice, iou = (torch.as_tensor(v) for v in dice_and_iou(masks, annotation, annotated))
        counts = ~dice.isnan()
        self.dice_sum += dice.nan_to_num().to(self.dice_sum.device)
        self.iou_sum += iou.nan_to_num().to(self.iou_sum.device)
        self.count += counts.to(self.count)

    def compute(self) -> dict[str, Tensor]:
        """{"dice": (L,), "iou": (L,)}; NaN for a class that no case has."""
        return {"dice": self.dice_sum / self.count, "iou": self.iou_sum / self.count}
