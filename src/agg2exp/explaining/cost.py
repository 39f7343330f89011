"""How much work a case is, told before any of it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agg2exp.attribution import Attributor
from agg2exp.metrics.base import EvaluationMetric


@dataclass(frozen=True)
class Cost:
    """Prediction, attribution and metrics of one case, counted in images (not in windows).

    Attributes:
        method: The attribution method.
        metrics: By name, what is computed beside the attribution.
        n_classes: Classes explained (K).
        recomputed: Whether masks are taken from every perturbed image.
        twins: Networks with random weights through which the case is explained as well.
    """

    method: Attributor
    metrics: Mapping[str, EvaluationMetric]
    n_classes: int
    recomputed: bool
    twins: int = 0

    def image_evaluations(self, n_chunks: int = 1) -> int:
        """How many images are evaluated, at most; by a method that shares them between classes, once per chunk."""
        once = self._times(n_chunks) * self.method.evaluations()
        return 1 + once * (1 + self.twins) + sum(images + runs * once for images, runs in self._of_metrics())

    def image_gradients(self) -> int:
        """How many of them are differentiated, for each explained class."""
        return self.method.gradients() * (1 + self.twins + sum(runs for _, runs in self._of_metrics()))

    def image_forwards(self) -> int:
        """How many images pass the network, at most.

        These are `image_evaluations`, and with recomputed masks once more each image that is differentiated, for its
        masks.
        """
        return self.image_evaluations() + (self._times(1) * self.image_gradients() if self.recomputed else 0)

    def _times(self, n_chunks: int) -> int:
        return self.n_classes if self.method.per_class else n_chunks

    def _of_metrics(self) -> list[tuple[int, int]]:
        return [metric.evaluations(self.n_classes) for metric in self.metrics.values()]
