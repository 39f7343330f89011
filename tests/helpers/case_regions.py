"""Regions of a toy case, from its masks alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import ClassMasks, ExclusiveMasks


def exclusive_labels(n: int) -> Labels:
    """Background and organ_1 … organ_{n-1}."""
    return Labels(("background", *(f"organ_{c}" for c in range(1, n))))


def overlapping_labels(n: int) -> Labels:
    """region_1 … region_n with a sigmoid head."""
    return Labels(tuple(f"region_{c}" for c in range(1, n + 1)), "sigmoid")


def case_regions(
    predicted: ClassMasks | Tensor,
    n_classes: int = 0,
    *,
    annotation: ClassMasks | Tensor | None = None,
    annotated: Sequence[bool] = (),
    extra: Mapping[str, Tensor | None] | None = None,
    body: Tensor | None = None,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    channels: tuple[str, ...] = (),
) -> CaseRegions:
    """Regions of the case "toy"; label maps are those of `n_classes` exclusive classes.

    They come from the annotation if there is one, else from the prediction.
    """
    masks = ExclusiveMasks(predicted, n_classes) if isinstance(predicted, Tensor) else predicted
    truth = ExclusiveMasks(annotation, masks.n_classes) if isinstance(annotation, Tensor) else annotation
    exclusive = isinstance(masks, ExclusiveMasks)
    grid = Grid(tuple(masks.shape), np.diag([*spacing, 1.0]))  # type: ignore[arg-type]
    case = Case(
        id="toy",
        image=torch.zeros(max(len(channels), 1), *masks.shape),
        grid=grid,
        native=grid,
        annotation=truth,
        annotated=tuple(annotated) or (True,) * masks.n_classes,
        extra=extra or {},
        body=body,
        channels=channels,
    )
    labels = exclusive_labels(masks.n_classes) if exclusive else overlapping_labels(masks.n_classes)
    return CaseRegions.of(case, masks, labels, "prediction" if truth is None else "label")
