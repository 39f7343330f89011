"""What `predict_step` yields for one case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from agg2exp.domain.attribution import Attribution
from agg2exp.domain.prediction import Prediction


def of_method(setting: str) -> bool:
    """Whether a setting of an explanation, by name, concerns the attribution method alone."""
    return setting == "method" or setting.startswith("attribution: ")


def of_metrics(setting: str) -> bool:
    """Whether a setting of an explanation, by name, concerns the evaluation metrics alone."""
    return setting.startswith("metric ")


@dataclass(frozen=True)
class PassCounts:
    """Network passes of one case; a batch of B windows counts as B.

    Attributes:
        forwards: Windows evaluated.
        backwards: (Window, class) pairs differentiated with respect to the input.
        reused: Window evaluations that an equal coalition pattern made needless (KernelSHAP).
    """

    forwards: int
    backwards: int
    reused: int = 0

    def __sub__(self, other: PassCounts) -> PassCounts:
        """Passes since `other`."""
        return PassCounts(self.forwards - other.forwards, self.backwards - other.backwards, self.reused - other.reused)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Prediction and attribution of one case.

    Attributes:
        case_id: The case.
        classes: Label indices of the explained classes (K), in the attribution's order.
        prediction: Predicted labels and what belongs to them.
        attribution: e_c of the K classes.
        settings: How it was made: method, score, mask policy, expansion, seed, window settings.
        passes: Network passes it took.
        seconds: Wall time it took.
        memory_fallback: How memory was saved after it had run out, in words; the result may then differ in the last
            digits.
        metrics: By name, evaluation metrics of the K attributions, (K,) float64 each.
        curves: By name, curves that belong to metrics, (K, N, 2) float64 of N points each.
        efficiency: By name, what they cost, (K,) float64 each.
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
    memory_fallback: str = ""
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    curves: Mapping[str, Tensor] = field(default_factory=dict)
    efficiency: Mapping[str, Tensor] = field(default_factory=dict)
    twins: Sequence[Callable[[], Attribution]] = ()

    def to(self, device: torch.device | str) -> Explanation:
        """The same explanation with its tensors on `device`."""
        return replace(self, prediction=self.prediction.to(device), attribution=self.attribution.to(device))
