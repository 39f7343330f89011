"""The contract of an attribution method."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar, Self, Unpack

import torch
from rich.progress import Progress
from torch import Tensor, nn

from agg2exp.attribution.arguments import (
    check_score,
    class_indices,
    head_of,
    image_of,
    names_of,
    network_of,
    whole_number,
    windows_of,
)
from agg2exp.attribution.call import CallSettings, check_names, of_method
from agg2exp.domain.attribution import Attribution, SupervoxelAttribution
from agg2exp.domain.case import Case
from agg2exp.domain.class_scores import Scores
from agg2exp.domain.description import described
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import WindowedModel, check_head
from agg2exp.scores import Score, SumScore
from agg2exp.supervoxels import Supervoxels

log = logging.getLogger(__name__)


class Attributor(ABC):
    """Attributes the scores of all explained classes to the voxels of one image.

    A subclass gives `compute`, and says in `evaluations` how often it evaluates the windows. It may use any of
    `model.predict`, `model.scores`, `model.coalition_scores` and `model.gradient`, which hide windows, blending and
    batching. A subclass that is a frozen dataclass has its settings as fields, which a call can replace.
    """

    name: ClassVar[str]
    uses_supervoxels: ClassVar[bool] = False
    per_class: ClassVar[bool] = False
    """Whether every explained class has evaluations of its own, rather than sharing them."""
    counts_all: ClassVar[bool] = True
    """Whether `evaluations` is the most; else a loop over features, whose number only the image tells, is not in it."""

    @abstractmethod
    def compute(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> Attribution:
        """Attribution of the K classes of `scores`.

        Args:
            model: The network through sliding windows.
            image: x, (C, D, H, W).
            scores: The scalars to explain, f̂_c.
            rng: Random numbers of this case.
        """

    @abstractmethod
    def evaluations(self) -> int:
        """How many perturbed images are evaluated for one case, at most; for each class, if `per_class`."""

    def gradients(self) -> int:
        """How many of them are differentiated, for each explained class."""
        return 0

    def reusing_choices_of(self, first: Attribution) -> Self:
        """The method as it should run on a perturbed copy of an image whose attribution is `first`.

        What was chosen by looking at the image (the players of a game) stays, so that random numbers are common.
        """
        return self

    def numbered(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> Attribution:
        """What `compute` gives; supervoxels with the numbers and names that they have in all cases."""
        attribution, supervoxels = self.compute(model, image, scores, rng), getattr(self, "supervoxels", None)
        if not (isinstance(attribution, SupervoxelAttribution) and isinstance(supervoxels, Supervoxels)):
            return attribution
        numbers = supervoxels.numbers(scores.masks)
        if numbers is None or len(numbers) != attribution.values.shape[1]:
            return attribution
        return replace(attribution, numbers=numbers.cpu(), names=supervoxels.name_of)

    def for_case(self, case: Case) -> Self:
        """The method for one case; a method that needs more of the case than its image takes it here."""
        return self

    def settings(self) -> dict[str, str]:
        """What the result depends on, as strings: the name, the class and its arguments (see `described`)."""
        return {"method": self.name, **described(self)}

    def attribute(
        self,
        model: nn.Module | WindowedModel,
        inputs: Tensor,
        target: int | str | Sequence[int | str] | Tensor | None = None,
        *,
        classes: Sequence[str] | Labels | None = None,
        score: Score | None = None,
        head: str | None = None,
        **settings: Unpack[CallSettings],
    ) -> Attribution:
        """Explain one image in one call, in captum's words.

        What is not given stays as the method was made.

        Args:
            model: The network through sliding windows, or a network (B, C, D, H, W) -> (B, L, D, H, W) whose window
                is the whole image.
            inputs: x, (C, D, H, W) or (1, C, D, H, W).
            target: The classes to explain (K), by label index or name; None for all L.
            classes: Names of the L classes, in label order; not needed for a model that has labels.
            score: 𝒜; the sum over the predicted mask by default.
            head: "softmax": the classes exclude each other; "sigmoid": they may overlap; None: as model or labels say,
                and where none does, "softmax". Unless said here, the prediction must look so, see `check_head`.
            settings: baselines, feature_mask, n_samples, n_steps, perturbations_per_eval, seed, show_progress, see
                `CallSettings`.

        Returns:
            One attribution per class, in the order of `target`: NaN for a class that is nowhere predicted, as it has no
            score. Its note `predicted_voxels` says how many voxels each class has.

        Raises:
            SettingError: The method has no such setting, or a value is not allowed.
            TypeError: There is no argument of this name.
            NetworkError: The network cannot be explained, see `check_network` and `check_head`.
        """
        check_names(settings)
        image, network = image_of(inputs), network_of(model)
        names = names_of(network, classes)
        check_score(score, head)
        rng = KeyedRng(whole_number("seed", settings.get("seed", 0)), "", self.name)
        method = self.replace(**of_method(settings))
        windows = windows_of(model, image, settings.get("perturbations_per_eval"))
        with Progress(disable=not settings.get("show_progress")) as progress:
            bar = progress.add_task(self.name)
            told = head or head_of(model, classes)
            windowed = WindowedModel(network, windows, lambda n: progress.advance(bar, n), head=told)
            n_classes = windowed.check(image)
            wanted = class_indices(target, n_classes, names) if n_classes else ()  # before the volume is evaluated
            times = len(wanted) if method.per_class else 1
            progress.update(bar, total=len(windowed.plan(image).windows) * (1 + times * method.evaluations()))
            prediction = windowed.predict(image)
            if head != "softmax":
                check_head(prediction)
            scores = (score or SumScore())(prediction, wanted)
            with torch.enable_grad():
                attribution = method.numbered(windowed, image, scores, rng)
        voxels = prediction.voxels()[list(wanted)].cpu()
        absent = [str(c) for c, n in zip(wanted, voxels.tolist(), strict=True) if n == 0]
        if absent:
            log.warning("label %s is nowhere predicted: its attribution is NaN", ", ".join(absent))
        return attribution.known_where(voxels > 0, predicted_voxels=voxels.double())

    def replace(self, **settings: Any) -> Self:
        """The same method with other settings.

        Raises:
            SettingError: The method has no such setting, or a value is not allowed.
        """
        known: list[str] = [f.name for f in fields(self)] if is_dataclass(self) else []
        for name, value in settings.items():
            if name not in known:
                raise SettingError(name, value, f"a setting of {self.name}, which has: {', '.join(known) or 'none'}")
        return replace(self, **settings) if settings and is_dataclass(self) else self
