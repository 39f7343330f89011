"""The three steps of an explanation that users change by subclassing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from agg2exp.domain.attribution import Attribution
from agg2exp.domain.case import Case
from agg2exp.domain.class_scores import ClassScores, Scores
from agg2exp.domain.object_state import arguments, assigned_in_use
from agg2exp.domain.prediction import Prediction
from agg2exp.domain.rng import KeyedRng
from agg2exp.explaining.repeated_case import RepeatedCase
from agg2exp.explaining.settings import settings_of, steps_of
from agg2exp.explaining.setup import Setup
from agg2exp.inference import WindowedModel


class Hooks(nn.Module):
    """What the network does with one window, which scalars are explained, and how they are attributed to voxels.

    Override one of the methods; `super()` is the usual step. An `Explainer` sets the attributes.

    Attributes:
        network: Of the explainer's model.
        explainer: Whose steps these are.
        before_running: Of attributes that change from case to case, such as counters, how they were described before.
        UNCOUNTED: Attributes on which no result depends, or that are described by themselves.
    """

    UNCOUNTED: ClassVar[frozenset[str]] = frozenset({*vars(nn.Module()), "network", "explainer", "before_running"})
    network: nn.Module
    explainer: Setup
    before_running: dict[str, str]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, L, d, h, w) of a window batch (B, C, d, h, w)."""
        logits: Tensor = self.network(x)
        return logits

    def class_scores(self, prediction: Prediction) -> ClassScores:
        """The scalars f̂_c that are explained, from the prediction at the unperturbed image."""
        return self.explainer.score(prediction, self.explainer.classes)

    def attribute(self, model: WindowedModel, case: Case, scores: Scores) -> Attribution:
        """Voxel attribution of the K classes of `scores` for one case."""
        method, seed = self.explainer.method, self.explainer.seed
        if isinstance(case, RepeatedCase):
            method = method.reusing_choices_of(case.first)
        return method.for_case(case).numbered(model, case.image, scores, KeyedRng(seed, case.id, method.name))

    def settings(self) -> dict[str, str]:
        """What the result depends on; a step that depends on more than the arguments of its class adds that here."""
        in_use = assigned_in_use(type(self)) - {*arguments(type(self))}
        for name, words in steps_of(self, self.UNCOUNTED).items():
            if name in in_use:
                self.before_running.setdefault(name, words)
        return settings_of(self.explainer, self, self.UNCOUNTED, self.before_running)

    def settle(self, settings: Mapping[str, str]) -> None:
        """Tell what changed while a case was explained: cases of one run have the same settings.

        Args:
            settings: What the result of a case depends on, as it was before the case was explained.
        """
        own = arguments(type(self))
        for name, now in steps_of(self, self.UNCOUNTED).items():
            before = settings.get(f"module: {name}", "")
            if now != before and name.removeprefix("_") not in own:
                self.before_running[name] = before
