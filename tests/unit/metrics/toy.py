"""A small case to evaluate: a network, an image and a method, with everything that a metric may ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from agg2exp.attribution import Attributor, InputXGradient
from agg2exp.domain.attribution import Attribution, DenseAttribution
from agg2exp.domain.class_scores import RecomputedScores, Scores
from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.metrics import Evaluation
from agg2exp.scores import Score, SumScore
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
    classes: tuple[int, ...] = ALL,
    settings: SlidingWindow = SETTINGS,
    recomputed: bool = False,
    cache: Path | None = None,
    seed: int = 0,
) -> Evaluation:
    """What a run hands to the metrics of one case."""
    method, score = method or InputXGradient(), score or SumScore()
    network = network.to(image.dtype).eval()
    model = WindowedModel(network, settings)
    prediction = model.predict(image)
    by_policy: dict[str, Scores] = {
        "fixed": score(prediction, classes),
        "recomputed": RecomputedScores(classes, prediction.masks, lambda p: score(p, classes)),
    }
    scores = by_policy["recomputed" if recomputed else "fixed"]

    def attribute(model: WindowedModel, x: Tensor) -> Attribution:
        return method.compute(model, x, scores, KeyedRng(seed, "s0001", method.name))

    attribution = attribute(model, image)
    return Evaluation(
        case_id="s0001",
        image=image,
        prediction=prediction,
        scores=scores,
        by_policy=by_policy,
        attribution=attribution,
        model=model,
        attribute=attribute,
        seed=seed,
        key={"weights": "toy", "score": score.name, "mask_policy": "recomputed" if recomputed else "fixed"},
        cache=ArrayCache(cache),
        seconds=1.5,
        passes=PassCounts(12, 34),
    )
