"""What is kept of a case after a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.files import Origin
from agg2exp.domain.labels import Labels
from agg2exp.domain.metric_facts import MetricFacts
from agg2exp.domain.provenance import CASE_FILES, Provenance
from agg2exp.domain.roi_importance import LocalImportance


@dataclass(frozen=True, eq=False)
class SupervoxelValues:
    """Attribution per supervoxel (S), where the method gives one.

    Attributes:
        voxels: Size of each supervoxel (S).
        values: φ (K, S).
        errors: Standard error of φ (K, S); NaN where unknown.
        labels: Number of each supervoxel that is the same in all cases, such as its label in an atlas (S); else None.
        names: What each is called (S), "" where that is not known; none without labels.
    """

    voxels: NDArray[np.int64]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    labels: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CaseResult:
    """RoI importance of a case and the facts beside it.

    Attributes:
        importance: RoI importance.
        classes: Class names of the model (L).
        voxels: Predicted voxels of each class (L).
        dice: Dice of each class (L); NaN where not annotated.
        iou: Intersection over union of each class (L).
        settings: What the result depends on.
        passes: Network passes it took.
        seconds: Wall time of prediction and attribution.
        memory_fallback: How memory was saved after it had run out; "" if it had not.
        notes: By name, how far the attribution of each target can be trusted (K).
        metrics: By name, evaluation metrics of each target's attribution (K).
        curves: By name, curves that belong to metrics, as points (K, N, 2).
        efficiency: By name, what the attribution of each target cost (K).
        metric_facts: What each entry of `metrics` and `efficiency` is.
        twins: By kind, the RoI importance of T twins of the network with random weights (T, K, R).
        supervoxels: Attribution per supervoxel, if there are any.
        origin: Which scan it is and where its files were found; None if that is not known (runs of earlier versions).
    """

    importance: LocalImportance
    classes: tuple[str, ...]
    voxels: NDArray[np.int64]
    dice: NDArray[np.float64]
    iou: NDArray[np.float64]
    settings: Mapping[str, str]
    passes: PassCounts
    seconds: float
    memory_fallback: str = ""
    notes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    metrics: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    curves: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    efficiency: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    metric_facts: Mapping[str, MetricFacts] = field(default_factory=dict)
    twins: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    supervoxels: SupervoxelValues | None = None
    origin: Origin | None = None

    @property
    def provenance(self) -> Provenance:
        """What the result depends on besides the files of its case: the same for all cases of a run."""
        return Provenance(self.settings).without(CASE_FILES)

    @property
    def labels(self) -> Labels:
        """Classes and head of the model; an overlapping head has background as a source only."""
        is_exclusive = self.importance.sources[:1] == self.classes[:1]
        return Labels(self.classes, "softmax" if is_exclusive else "sigmoid")
