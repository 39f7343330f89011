"""An explainer at one case: with the windows, the chunks of classes and the memory that the case gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor, nn

from agg2exp.domain.attribution import Attribution
from agg2exp.domain.case import Case
from agg2exp.domain.class_scores import RecomputedScores, Scores
from agg2exp.domain.prediction import Prediction
from agg2exp.domain.roles import CaseProgress
from agg2exp.explaining.cache_keys import prediction_key, score_key
from agg2exp.explaining.chunks import chunks, in_chunks
from agg2exp.explaining.cost import Cost
from agg2exp.explaining.fitness import check_classes
from agg2exp.explaining.hooks import Hooks
from agg2exp.explaining.memory_fallback import MemoryFallback, accumulator_device
from agg2exp.explaining.repeated_case import RepeatedCase
from agg2exp.explaining.setup import Setup
from agg2exp.inference import WindowedModel
from agg2exp.store.array_cache import ArrayCache


class CaseExplainer:
    """Predicts and attributes one case, as often as it is asked.

    Args:
        explainer: The explainer.
        hooks: Its steps.
        case: The case.
        fallback: How it is computed in less memory.
        progress: Is told about every window.
        settings: What the result depends on, if that was asked before.

    Attributes:
        model: The network, with the explainer's hooks, through sliding windows; it counts the passes of all networks.
        chunks: Classes attributed at a time.
    """

    def __init__(
        self,
        explainer: Setup,
        hooks: Hooks,
        case: Case,
        fallback: MemoryFallback,
        progress: CaseProgress,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.explainer = explainer
        self.hooks = hooks
        self.case = case
        self.fallback = fallback
        self.progress = progress
        self.settings = hooks.settings() if settings is None else settings
        self.chunks = chunks(explainer.classes, fallback.classes or explainer.class_chunk)
        size = case.image.numel() * case.image.element_size()
        self._accumulators = accumulator_device(len(explainer.classes), size, case.image.device)
        windows = explainer.model.windows
        windows = replace(windows, batch=fallback.batch or windows.batch)
        self.model = WindowedModel(hooks, windows, progress.advance, self._accumulators, explainer.model.head)

    @property
    def seed(self) -> int:
        """Of every random number."""
        return self.explainer.seed

    @property
    def uses_ram(self) -> bool:
        """Whether attributions are put together in RAM, whatever the device of the image."""
        return self._accumulators != self.case.image.device or len(self.chunks) > 1

    @cached_property
    def key(self) -> Mapping[str, str]:
        """What scores of the case, perturbed or not, depend on."""
        return score_key(self.settings, self.case, self.fallback)

    def begin(self, cost: Cost) -> None:
        """Check the network on one window, and announce what is to come.

        Raises:
            NetworkError: It cannot be explained, or has other classes than the model's labels.
        """
        check_classes(self.model, self.case.image, self.explainer.model.labels)
        windows = len(self.model.plan(self.case.image).windows)
        self.progress.begin(self.case.id, windows * cost.image_evaluations(len(self.chunks)))

    def predict(self, predictions: ArrayCache | None) -> Prediction:
        """Of the case, from what is kept of earlier runs or the network."""
        image = self.case.image
        if predictions is None:
            return self.model.predict(image)
        key, n_classes = prediction_key(self.key), len(self.explainer.model.labels)
        arrays = predictions.get("predictions", key, lambda: self.model.predict(image).to_arrays())
        return Prediction.from_arrays(arrays, n_classes).to(image.device)

    def scores(self, prediction: Prediction, policy: str | None = None) -> Scores:
        """f̂_c of the K explained classes from the prediction at the unperturbed image.

        Args:
            prediction: At the unperturbed image.
            policy: "fixed" or "recomputed"; the explainer's own by default.
        """
        if (policy or self.explainer.mask_policy) == "recomputed":
            return RecomputedScores(self.explainer.classes, prediction.masks, self.hooks.class_scores)
        return self.hooks.class_scores(prediction.copy())

    def attribute(
        self,
        scores: Scores,
        image: Tensor | None = None,
        network: nn.Module | None = None,
        first: Attribution | None = None,
    ) -> Attribution:
        """Attribution of the K classes.

        Args:
            scores: f̂_c.
            image: (C, D, H, W), by default the case's.
            network: In place of the model's own (with its hooks).
            first: The attribution before image or network were changed; the method's choices then stay.
        """
        case = self.case if image is None else replace(self.case, image=image)
        case = case if first is None else RepeatedCase.of(case, case.image, first)
        model = self.model if network is None else self.model.through(network)
        with torch.enable_grad():
            found = in_chunks(
                self.chunks, lambda part: self.hooks.attribute(model, case, replace(scores, classes=part))
            )
        if model is not self.model:
            self.model.passes += model.passes
        return found
