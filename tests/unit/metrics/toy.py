"""A small case to evaluate: a network, an image and a method, with everything that a metric may ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from agg2exp.attribution import Attributor, InputXGradient
from agg2exp.domain.attribution import Attribution, DenseAttribution
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.class_scores import Scores
from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.labels import Labels
from agg2exp.domain.rng import KeyedRng
from agg2exp.explaining.evaluator import Evaluator
from agg2exp.explaining.explainer import Explainer
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.metrics import ExplainedCase
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.scores import Score
from agg2exp.store.array_cache import ArrayCache
from tests.helpers.networks import ToyNetwork

ALL = (0, 1, 2, 3)
SHAPE = (9, 8, 10)
SETTINGS = SlidingWindow((8, 8, 8), 0.25, "gaussian", batch=3)


WITH_ALL_CLASSES = {1: (5, 1, 7, 4), 2: (4, 0, 12)}  # seeds by number of channels


def toy_network(channels: int = 1, which: int = 0) -> ToyNetwork:
    """A network that predicts each of its four classes somewhere."""
    return ToyNetwork(channels, seed=WITH_ALL_CLASSES[channels][which])


def random_image(seed: int = 0, channels: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(channels, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class Fixed(Attributor):
    """The same attribution (K, C, D, H, W) whatever is asked."""

    name = "fixed"

    def __init__(self, attribution: Attribution | Tensor) -> None:
        self.attribution = DenseAttribution(attribution) if isinstance(attribution, Tensor) else attribution

    def compute(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> Attribution:
        return self.attribution

    def evaluations(self) -> int:
        return 0


class OfImage(Attributor):
    """Any function of the image alone as attribution of every class."""

    name = "of_image"

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def compute(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> Attribution:
        return DenseAttribution(torch.stack([self.function(image)] * len(scores.classes)))

    def evaluations(self) -> int:
        return 0


def evaluation(
    network: nn.Module,
    image: Tensor,
    method: Attributor | None = None,
    *,
    score: Score | None = None,
    classes: tuple[int, ...] | None = None,
    settings: SlidingWindow = SETTINGS,
    recomputed: bool = False,
    cache: Path | None = None,
    seed: int = 0,
) -> ExplainedCase:
    """What a run hands to the metrics of one case."""
    network = network.to(image.dtype).eval()
    with torch.no_grad():
        n_classes = network(image[None]).shape[1]
    labels = Labels(tuple(f"class {c}" for c in range(n_classes)))
    model = SegmentationModel(network, labels, Preprocessing(), settings)
    names = "all" if classes is None else [labels.classes[c] for c in classes]
    policy = "recomputed" if recomputed else "fixed"
    explainer = Explainer(model, method or InputXGradient(), score, names, policy, seed=seed)
    grid = Grid(tuple(image.shape[1:]), np.eye(4))
    case = Case("s0001", image, grid, grid)
    explanation = replace(explainer.explain(case), attribution_seconds=1.5, attribution_passes=PassCounts(12, 34))
    return Evaluator(explainer, cache=ArrayCache(cache)).explained(case, explanation)
