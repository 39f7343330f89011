"""How many network passes a run takes at most, and about how long, from a first measured pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import torch

from agg2exp.domain.case import Case
from agg2exp.domain.class_scores import ClassScores
from agg2exp.explaining.fitness import check_classes
from agg2exp.inference import WindowedModel
from agg2exp.inference.network_check import PASSES
from agg2exp.run.datamodule import CaseDataModule
from agg2exp.run.module import ExplanationModule

LONGEST = timedelta.max.total_seconds() - 1
TRIED = 3  # cases; each may take as long to fail as to be read
LONG = 100  # evaluations of whole images, from which a run is worth an estimate


@dataclass(frozen=True)
class Estimate:
    """Cost of a run.

    Attributes:
        cases: Cases to explain.
        image_forwards: Images that pass the network per case, at most: prediction, attribution, metrics.
        image_gradients: How many of them are differentiated for each class.
        window_forwards: Window forwards of all cases, at most.
        window_backwards: (Window, class) backwards of all cases, at most.
        seconds: They take about so long, on all devices together.
        counts_all: Whether nothing is missing in it.
    """

    cases: int
    image_forwards: int
    image_gradients: int
    window_forwards: int
    window_backwards: int
    seconds: float
    counts_all: bool

    def __str__(self) -> str:
        missing = "reading and tables not included" + (
            "" if self.counts_all else "; many more, as the method evaluates images for every feature, not in it"
        )
        return (
            f"{self.cases} cases x at most {self.image_forwards} evaluations of the image, {self.image_gradients} of "
            f"them differentiated for each class: {self.window_forwards:,} window forwards and "
            f"{self.window_backwards:,} backwards, about "
            f"{timedelta(seconds=round(min(self.seconds, LONGEST)))} (measured on one window batch; {missing}; "
            f"{PASSES} forwards more check the network)"
        )


def is_long(module: ExplanationModule, data: CaseDataModule) -> bool:
    """Whether the run is worth an estimate."""
    return (
        len(data.pending()) * module.evaluator.cost.image_forwards() >= LONG or not module.explainer.method.counts_all
    )


def estimate(
    module: ExplanationModule, data: CaseDataModule, device: torch.device, n_devices: int = 1
) -> Estimate | None:
    """From the windows of the first readable case, the volumes of all, and one measured window batch.

    Returns None if none of the first `TRIED` cases with a readable header can be read.
    """
    costs = data.costs()
    tried = islice((case_id for case_id, cost in costs.items() if cost > 0), TRIED)
    case = next((c for c in map(data.read, tried) if isinstance(c, Case)), None)
    if case is None:
        return None
    module, case = module.to(device), case.to(device)
    model = WindowedModel(module, module.explainer.model.windows, head=module.explainer.model.head)
    check_classes(model, case.image, module.explainer.model.labels)
    windows = len(model.plan(case.image).windows)
    everything = max(windows * sum(costs.values()) / costs[case.id], len(costs))
    forward, backward = _seconds_per_window(module, case)
    cost = module.evaluator.cost
    evaluations, gradients = cost.image_forwards(), cost.image_gradients() * len(module.explainer.classes)
    return Estimate(
        cases=len(costs),
        image_forwards=evaluations,
        image_gradients=cost.image_gradients(),
        window_forwards=round(everything * evaluations),
        window_backwards=round(everything * gradients),
        seconds=everything * (evaluations * forward + gradients * backward) / n_devices,
        counts_all=module.explainer.method.counts_all,
    )


def _seconds_per_window(module: ExplanationModule, case: Case) -> tuple[float, float]:
    """Of one forward, and of one backward for one class."""
    windows, head = module.explainer.model.windows, module.explainer.model.head
    x = case.image[(slice(None), *(slice(0, edge) for edge in windows.size))]
    images = x.expand(windows.batch, *x.shape)
    everywhere = torch.zeros(x.shape[1:], dtype=torch.int16, device=x.device)
    scores = ClassScores.of((0,), everywhere, torch.ones(x.shape[1:], dtype=x.dtype, device=x.device))
    model = WindowedModel(module, windows, head=head)
    model.scores(images, scores)  # the first pass is slower
    forward = _seconds(lambda: model.scores(images, scores), x) / len(images)
    both = _seconds(lambda: model.gradient(images, scores), x) / len(images)
    return forward, max(both - forward, 0.0)


def _seconds(task: Callable[[], object], x: torch.Tensor) -> float:
    start = time.perf_counter()
    task()
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter() - start
