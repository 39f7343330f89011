"""Any attribution class of captum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import version
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from agg2exp.attribution.base import Attributor
from agg2exp.attribution.captum_class import CaptumClass
from agg2exp.attribution.captum_score import ScoreModule, seeded
from agg2exp.baselines import Baseline, as_baseline
from agg2exp.domain.attribution import Attribution, DenseAttribution, SupervoxelAttribution
from agg2exp.domain.case import Case
from agg2exp.domain.class_scores import Scores
from agg2exp.domain.errors import SettingError
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import WindowedModel
from agg2exp.supervoxels import Given, Supervoxels

SHARED = {"baselines": "baselines", "supervoxels": "feature_mask"}  # setting: captum's parameter
HINT = "Baselines and feature masks are settings of their own: baseline=… and supervoxels=…"


@dataclass(frozen=True)
class CaptumMethod(Attributor):
    """What a class of `captum.attr` attributes, with f̂_c(x) through sliding windows as its forward function.

    captum explains one class at a time: K classes take K times its evaluations, and nothing is shared between them.
    A method of our own with the same formula is that much faster. `GuidedBackprop` and `Deconvolution` change the
    gradient of `torch.nn.ReLU` modules alone, not of other activations or of `torch.nn.functional.relu`.

    captum draws from the global random state. It is lent a seeded one, the same for every class; the caller's is left
    as it was. Noise of `NoiseTunnel` and `GradientShap` is drawn on the image's device, hence differs between devices.

    Attributes:
        method: Name of the class, see `CaptumClass`.
        arguments: Plain values for its constructor and its `attribute`, by name.
        of: The method that `NoiseTunnel` repeats, else None.
        baselines: x′, if the class takes one; a volume (C, D, H, W) or a number will do.
        supervoxels: Groups of voxels that are perturbed together, if the class takes a `feature_mask`.

    Raises:
        SettingError: A class that does not exist or cannot be used, an argument that it does not have or lacks, or
            supervoxels that are missing. In `compute`: GuidedBackprop or Deconvolution of a network without ReLU
            modules, or with recomputed masks.
    """

    name: ClassVar[str] = "captum"
    per_class: ClassVar[bool] = True

    method: str = "InputXGradient"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    of: str | None = None
    baselines: Baseline | Tensor | float = 0.0
    supervoxels: Supervoxels | None = None

    def __post_init__(self) -> None:
        allowed = self.captum_class.arguments
        for name, value in self.arguments.items():
            if name not in allowed:
                words = ", ".join(allowed) or "none"
                raise SettingError(
                    f"arguments.{name}", value, f"an argument of {self.method}, which has: {words}", HINT
                )
        for name, parameter in allowed.items():
            if parameter.default is parameter.empty and name not in self.arguments:
                raise SettingError("arguments", dict(self.arguments), f"{name}, which {self.method} needs, among them")
        groups: object = self.supervoxels  # an empty mapping where the configuration says none
        if not isinstance(groups, Supervoxels | None) and (groups or self.uses_supervoxels):
            raise SettingError("supervoxels", groups, "supervoxels", "For example supervoxels=cubes.")
        object.__setattr__(self, "supervoxels", self.supervoxels or None)
        object.__setattr__(self, "arguments", {name: _tuples(self.arguments[name]) for name in sorted(self.arguments)})
        object.__setattr__(self, "baselines", as_baseline(self.baselines))

    @property
    def captum_class(self) -> CaptumClass:
        """The class by its name."""
        return CaptumClass(self.method, self.of)

    @property
    def uses_supervoxels(self) -> bool:  # type: ignore[override]  # depends on the class of captum's
        """Whether voxels are perturbed in groups: the class takes a `feature_mask`."""
        return "feature_mask" in self.captum_class.parameters

    @property
    def counts_all(self) -> bool:  # type: ignore[override]  # depends on the class of captum's
        """Whether the class evaluates no image for each feature."""
        return not self.captum_class.loops

    def compute(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> Attribution:
        """(K, C, D, H, W), or (K, S) where supervoxels are perturbed: captum gives all voxels of one the same value."""
        captum_class = self.captum_class
        captum_class.check_network(model.network, scores)
        given = {**captum_class.batches(model.windows.batch), **self.arguments}
        if "baselines" in captum_class.parameters:
            given["baselines"] = as_baseline(self.baselines)(image, rng).unsqueeze(0)
        seed = int(torch.randint(2**31, (), generator=rng.generator("captum")))

        def explained(c: int) -> Tensor:
            with seeded(seed, image.device):
                score = ScoreModule(model, replace(scores, classes=(c,)), image.dtype)
                return captum_class.attribute(score, image, given)

        if not self.uses_supervoxels:
            values = model.zeros(image, scores)
            for k, c in enumerate(scores.classes):
                values[k] = explained(c)
            return DenseAttribution(values)
        if self.supervoxels is None:
            raise SettingError("feature_mask", None, "a supervoxel of every voxel (D, H, W)", "Or give supervoxels.")
        supervoxels = self.supervoxels(image, scores.masks)
        given["feature_mask"] = supervoxels[None, None]
        values = torch.zeros(len(scores.classes), int(supervoxels.max()) + 1, dtype=torch.float64, device=image.device)
        for row, c in zip(values, scores.classes, strict=True):
            row.scatter_(0, supervoxels.flatten(), explained(c)[0, 0].flatten().double())
        return SupervoxelAttribution(supervoxels, values, "value")

    def evaluations(self) -> int:
        """Samples times steps; loops over features are not in it, as only the image tells their number."""
        return self.captum_class.count(self.arguments)

    def gradients(self) -> int:
        """Samples times steps, or none."""
        return self.evaluations() if self.captum_class.takes_gradients else 0

    def reusing_choices_of(self, first: Attribution) -> Self:
        """With the same supervoxels."""
        return replace(self, supervoxels=Given(first.supervoxels)) if isinstance(first, SupervoxelAttribution) else self

    def for_case(self, case: Case) -> Self:
        """With the supervoxels of the case."""
        return self if self.supervoxels is None else replace(self, supervoxels=self.supervoxels.for_case(case))

    def settings(self) -> dict[str, str]:
        """The class and its arguments; baseline and supervoxels only if it takes them."""
        unused = {own for own, theirs in SHARED.items() if theirs not in self.captum_class.parameters}
        settings = {name: value for name, value in super().settings().items() if name not in unused}
        return {**settings, "method": f"captum.{self.method}", "captum": version("captum")}

    def replace(self, **settings: Any) -> Self:
        """The same method with other settings; what is none of them is one of the arguments."""
        parameters = self.captum_class.parameters
        if "feature_mask" in settings and "feature_mask" in parameters:
            settings["supervoxels"] = Given(settings.pop("feature_mask"))
        own = {f.name for f in fields(self)} - ({"baselines"} - parameters.keys())
        for name in settings.keys() - own:
            settings["arguments"] = {**settings.get("arguments", self.arguments), name: settings.pop(name)}
        return super().replace(**settings)


def _tuples(value: Any) -> Any:
    """Lists, which configurations have, as the tuples that captum wants."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
