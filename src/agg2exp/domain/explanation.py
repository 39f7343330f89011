"""What `predict_step` yields for one case."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace

import torch
from torch import Tensor

from agg2exp.domain.attribution import Attribution
from agg2exp.domain.metric_facts import MetricFacts
from agg2exp.domain.prediction import Prediction


@dataclass(frozen=True)
class PassCounts:
    """Network passes of one case; a batch of B windows counts as B.

    Attributes:
        window_forwards: Windows evaluated.
        window_backwards: (Window, class) pairs differentiated with respect to the input.
        reused: Window evaluations that an equal coalition pattern made needless (KernelSHAP).
    """

    window_forwards: int = 0
    window_backwards: int = 0
    reused: int = 0

    def __add__(self, other: PassCounts) -> PassCounts:
        """Passes of both."""
        return PassCounts(*(own + more for own, more in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: PassCounts) -> PassCounts:
        """Passes since `other`."""
        return PassCounts(*(own - less for own, less in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, eq=False)
class Explanation:
    """Prediction and attribution of one case.

    Attributes:
        case_id: The case.
        classes: Label indices of the explained classes (K), in the attribution's order.
        prediction: Where the classes are predicted, and what belongs to it.
        attribution: e_c of the K classes.
        settings: How it was made: method, score, mask policy, expansion, seed, window settings.
        passes: Network passes it took.
        seconds: Wall time it took.
        attribution_passes: Network passes of the attribution alone.
        attribution_seconds: Wall time of the attribution alone.
        memory_fallback: How memory was saved after it had run out, in words; the result may then differ in the last
            digits.
        metrics: By name, evaluation metrics of the K attributions, (K,) float64 each.
        curves: By name, curves that belong to metrics, (K, N, 2) float64 of N points each.
        efficiency: By name, what they cost, (K,) float64 each.
        metric_facts: What each entry of `metrics` and `efficiency` is.
        twins: Of each twin of the network with random weights, what computes the attribution of the same classes; one
            after another, since each is as large as `attribution`. Passes and seconds do not count them.
    """

    case_id: str
    classes: tuple[int, ...]
    prediction: Prediction
    attribution: Attribution
    settings: Mapping[str, str]
    passes: PassCounts
    seconds: float
    attribution_passes: PassCounts = PassCounts(0, 0)
    attribution_seconds: float = math.nan
    memory_fallback: str = ""
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    curves: Mapping[str, Tensor] = field(default_factory=dict)
    efficiency: Mapping[str, Tensor] = field(default_factory=dict)
    metric_facts: Mapping[str, MetricFacts] = field(default_factory=dict)
    twins: Sequence[Callable[[], Attribution]] = ()

    def to(self, device: torch.device | str) -> Explanation:
        """The same explanation with its tensors on `device`."""
        return replace(self, prediction=self.prediction.to(device), attribution=self.attribution.to(device))
