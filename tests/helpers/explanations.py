"""Small cases and explanations with known content, for what comes after the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agg2exp.attribution import Attributor
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.explanation import Explanation, PassCounts
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.prediction import Prediction
from agg2exp.explaining.collect import Collected, Collecting, collect
from agg2exp.inference import SlidingWindow
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.run.module import ExplanationModule
from agg2exp.scores import Score

SHAPE = (9, 8, 7)
SPACING = 2.0


def scheme() -> Labels:
    """Background and three classes."""
    return Labels(("background", "lung", "heart", "aorta"))


def small_case(
    case_id: str = "a",
    seed: int = 0,
    labels: Tensor | None = None,
    annotated: tuple[bool, ...] = (),
    extra: Mapping[str, Tensor | None] | None = None,
) -> Case:
    """Random voxels; the scan's own grid is twice as fine as the preprocessed one."""
    generator = torch.Generator().manual_seed(seed)
    coarse, fine = np.diag([SPACING] * 3 + [1.0]), np.diag([SPACING / 2] * 3 + [1.0])
    body = torch.ones(SHAPE, dtype=torch.bool)
    body[0] = False
    return Case(
        id=case_id,
        image=torch.rand(1, *SHAPE, generator=generator),
        grid=Grid(SHAPE, coarse),
        native=Grid((17, 15, 13), fine),
        annotation=None if labels is None else ExclusiveMasks(labels, 4),
        annotated=annotated,
        extra=extra or {},
        body=body,
    )


def small_explanation(
    case: Case, classes: tuple[int, ...] = (0, 1, 2, 3), absent: tuple[int, ...] = (), seed: int = 1
) -> Explanation:
    """Random attributions, and a predicted label map without the classes in `absent`."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(scheme()), *SHAPE, generator=generator)
    logits[list(absent)] = -100
    return Explanation(
        case_id=case.id,
        classes=classes,
        prediction=Prediction.from_logits(logits),
        attribution=DenseAttribution(torch.randn(len(classes), 1, *SHAPE, generator=generator)),
        settings={"method": "toy"},
        passes=PassCounts(2, 8),
        seconds=0.5,
    )


def collected(folder: Path, cases: Sequence[str] | None = None, **how: Any) -> Collected:
    """Tables and pictures of a folder with results of such cases."""
    return collect(folder, Collecting(**how), cases)


def module_of(
    network: nn.Module,
    attribution: Attributor,
    score: Score,
    inference: SlidingWindow,
    labels: Labels,
    classes: Sequence[str] | str = "all",
    cls: type[ExplanationModule] = ExplanationModule,
    provenance: Mapping[str, str] | None = None,
    head: str | None = None,
    **named: Any,
) -> ExplanationModule:
    """A module around a network that takes images as they come; None leaves open what its head is."""
    labels = replace(labels, head=head or labels.head)
    model = SegmentationModel(
        network, labels, Preprocessing(), inference, head_is_known=head is not None, provenance=provenance or {}
    )
    return cls(model=model, attribution=attribution, score=score, classes=classes, **named)
