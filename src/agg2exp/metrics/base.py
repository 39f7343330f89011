"""What evaluation metrics of attributions have in common."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import ClassVar, Self

import torch
from torch import Tensor
from torchmetrics import Metric

from agg2exp.domain.attribution import Attribution
from agg2exp.domain.case import Case
from agg2exp.domain.class_scores import Scores
from agg2exp.domain.description import described
from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.prediction import Prediction
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import WindowedModel
from agg2exp.store.array_cache import ArrayCache

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One explained case, and ways to ask the model and the method again.

    Attributes:
        case_id: The case.
        image: x, (C, D, H, W).
        prediction: At x.
        scores: f̂_c of the K explained classes, under the mask policy of the run.
        by_policy: The same scores under the policies "fixed" and "recomputed".
        attribution: e_c.
        model: The network through sliding windows.
        attribute: Attribution by the same method, of the same classes and with the same random numbers, at another
            image (C, D, H, W) or through another model.
        seed: Of the run.
        key: What scores of perturbed images depend on besides the perturbation: weights, image, windows, score, ….
        cache: Where such scores are kept between runs.
        seconds: Wall time that the attribution took.
        passes: Network passes that the attribution took.
    """

    case_id: str
    image: Tensor
    prediction: Prediction
    scores: Scores
    by_policy: Mapping[str, Scores]
    attribution: Attribution
    model: WindowedModel
    attribute: Callable[[WindowedModel, Tensor], Attribution]
    seed: int
    key: Mapping[str, str]
    cache: ArrayCache
    seconds: float
    passes: PassCounts

    def rng(self, metric: str) -> KeyedRng:
        """Random numbers of a metric on this case; the same for every attribution method."""
        return KeyedRng(self.seed, self.case_id, metric)

    @cached_property
    def peaks(self) -> Tensor:
        """max_i |e_c(i)|, (K,) float64 on the CPU."""
        largest = [self.attribution.dense(k).abs().amax() for k in range(self.attribution.n_classes)]
        return torch.stack(largest).double().cpu()

    @cached_property
    def absent(self) -> Tensor:
        """Explained classes that ŷ lacks, (K,) bool on the CPU."""
        return self.prediction.voxels()[list(self.scores.classes)].cpu() == 0


class EvaluationMetric(Metric):
    """One value per (case, class), reduced to mean and standard deviation over both; NaN values are left out.

    A subclass gives `evaluate`, which wraps a pure function of tensors, and says what it is as class data.

    Attributes:
        name: Name in tables and trackers.
        category: "faithfulness", "sensitivity", "complexity", "efficiency" or "sanity".
        higher_is_better: Direction; None for values that are only described.
        range: Smallest and largest possible value.
        paper: Where it was proposed.
    """

    name: ClassVar[str]
    category: ClassVar[str]
    range: ClassVar[tuple[float, float]]
    paper: ClassVar[str]
    full_state_update = False
    values: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.set_dtype(torch.float64)  # also of the state of a process that had no case
        self.add_state("values", default=[], dist_reduce_fx="cat")

    def check(self, case_id: str, image: Tensor) -> None:
        """Raise `SettingError` if an image (C, D, H, W) does not allow the metric, before anything is computed."""

    def for_case(self, case: Case) -> Self:
        """The metric for one case; a metric that needs more of the case than its image takes it here."""
        return self

    @abstractmethod
    def evaluate(self, case: Evaluation) -> Mapping[str, Tensor]:
        """The metric of one case under its name, (K,) float64, and what belongs beside it under further names.

        A value that is not defined is NaN; see `where_defined`. What belongs beside it may be curves, (K, N, 2)
        float64 of N points (x, y) each.
        """

    @abstractmethod
    def evaluations(self, n_classes: int) -> tuple[int, int]:
        """Perturbed images evaluated for one case by forwards alone, at most, and how often the method is run again.

        Args:
            n_classes: K.
        """

    def settings(self) -> dict[str, str]:
        """What the values depend on, as strings: the class and its arguments (see `described`)."""
        return described(self, without={*_own_of_metrics(), *self._defaults})

    def where_defined(self, case: Evaluation, values: Tensor, reasons: Mapping[str, Tensor] | None = None) -> Tensor:
        """`values` (K,), NaN where a class is absent, an attribution zero, or another of the reasons holds; logged.

        Args:
            case: What is evaluated.
            values: (K,) float64 on the CPU.
            reasons: Further reasons in words, and for which classes they hold, (K,) bool.
        """
        left = torch.ones(len(values), dtype=torch.bool)
        for reason, holds in {
            "the class is absent from the prediction": case.absent,
            "its attribution is zero everywhere": case.peaks == 0,
            "its attribution is not finite": ~case.peaks.isfinite(),
            **(reasons or {}),
        }.items():
            labels = [str(case.scores.classes[k]) for k in (left & holds).nonzero().flatten().tolist()]
            if labels:
                log.info("case %s: no %s for label %s: %s", case.case_id, self.name, ", ".join(labels), reason)
            left &= ~holds
        return values.masked_fill(~left, torch.nan)

    def update(self, values: Tensor) -> None:
        """Add the values (K,) of one case."""
        self.values.append(values.detach().to(self.device, torch.float64).flatten())

    def compute(self) -> dict[str, Tensor]:
        """Mean and standard deviation (n - 1) over cases and classes, and how many values are known and undefined."""
        parts = list(self.values) if isinstance(self.values, list) else [self.values]  # gathered: one tensor
        values = torch.cat(parts) if parts else torch.empty(0, dtype=torch.float64)
        known = values[~values.isnan()]
        return {
            "mean": known.mean(),
            "std": known.std() if len(known) > 1 else known.new_tensor(torch.nan),
            "count": torch.tensor(len(known)),
            "undefined": torch.tensor(len(values) - len(known)),
        }


class _Bare(EvaluationMetric):
    """What every metric has."""

    name = "bare"

    def evaluate(self, case: Evaluation) -> Mapping[str, Tensor]:
        """Nothing."""
        return {}

    def evaluations(self, n_classes: int) -> tuple[int, int]:
        """None."""
        return 0, 0


@cache
def _own_of_metrics() -> frozenset[str]:
    """Attributes that torchmetrics keeps in each metric, which say nothing of its values."""
    return frozenset(vars(_Bare()))


def normalised(e: Tensor) -> Tensor:
    """ē = e / max|e| (Appendix B.2), signs kept, in [-1, 1]; NaN if e is zero everywhere."""
    return e / e.abs().amax()
