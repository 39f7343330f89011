"""Explain a case: prediction, scores and attribution, in plain PyTorch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial

from torch import nn

from agg2exp.attribution import Attributor
from agg2exp.domain.attribution import Attribution
from agg2exp.domain.case import Case
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.prediction import Prediction
from agg2exp.domain.roles import CaseProgress, Silent
from agg2exp.explaining.case_explainer import CaseExplainer
from agg2exp.explaining.cost import Cost
from agg2exp.explaining.hooks import Hooks
from agg2exp.explaining.memory_fallback import USUAL, MemoryFallback, synchronize
from agg2exp.explaining.setup import Setup
from agg2exp.explaining.twins import twins_of
from agg2exp.inference import check_head
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.scores import Score
from agg2exp.store.array_cache import ArrayCache


class Explainer(Setup):
    """Case -> prediction and voxel attribution of every explained class.

    `Setup` describes the arguments but the last two.

    Args:
        hooks: Steps of one's own.
        predictions: Where predictions are kept between runs; by default nowhere.
    """

    def __init__(
        self,
        model: SegmentationModel,
        method: Attributor,
        score: Score | None = None,
        classes: Sequence[str] | str = "all",
        mask_policy: str = "fixed",
        class_chunk: int | None = None,
        seed: int = 0,
        twins: int = 0,
        hooks: Hooks | None = None,
        predictions: ArrayCache | None = None,
    ) -> None:
        super().__init__(model, method, score, classes, mask_policy, class_chunk, seed, twins)
        self.predictions = predictions
        self.hooks = Hooks() if hooks is None else hooks
        self.hooks.network, self.hooks.explainer, self.hooks.before_running = model.network, self, {}
        self._head_is_known = model.head_is_known and model.labels.exclusive

    def explain(
        self,
        case: Case,
        fallback: MemoryFallback = USUAL,
        progress: CaseProgress | None = None,
        cost: Cost | None = None,
    ) -> Explanation:
        """Prediction and attribution of one case.

        Args:
            case: The case.
            fallback: How it is computed in less memory.
            progress: Is told about every window.
            cost: What is announced to `progress`, if there is more to come than the explanation.

        Raises:
            SettingError: What the result would depend on cannot be described.
            NetworkError: The network cannot be explained, or has other classes than the model's labels.
        """
        synchronize(case.image.device)
        start = time.perf_counter()
        at = self.at(case, fallback, progress)
        at.begin(cost or self.cost)
        prediction = self._predict(at)
        scores = at.scores(prediction)
        synchronize(case.image.device)
        before, begun = at.model.passes, time.perf_counter()
        attribution = at.attribute(scores)
        synchronize(case.image.device)
        done = time.perf_counter()
        self.hooks.settle(at.settings)

        def attribute_twin(twin: nn.Module) -> Attribution:
            fixed = at.scores(prediction, "fixed")  # its own masks show other things
            return at.attribute(fixed, network=twin, first=attribution)

        explanation = Explanation(
            case_id=case.id,
            classes=self.classes,
            prediction=prediction,
            attribution=attribution,
            settings={**at.settings, "expansion": attribution.expansion},
            passes=at.model.passes,
            seconds=done - start,
            attribution_passes=at.model.passes - before,
            attribution_seconds=done - begun,
            memory_fallback=str(fallback),
            twins=[partial(attribute_twin, twin) for twin in twins_of(self.hooks, self.twins, self.seed)],
        )
        return explanation.to("cpu") if at.uses_ram else explanation

    def at(
        self,
        case: Case,
        fallback: MemoryFallback = USUAL,
        progress: CaseProgress | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> CaseExplainer:
        """The explainer at one case, which predicts and attributes as often as it is asked."""
        return CaseExplainer(self, self.hooks, case, fallback, progress or Silent(), settings)

    def _predict(self, at: CaseExplainer) -> Prediction:
        """Prediction of the case; the first one must look as the model's head says, unless that is known."""
        prediction = at.predict(self.predictions)
        if not self._head_is_known:
            check_head(prediction)
            self._head_is_known = True
        return prediction
