"""Any attribution class of captum."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import version
from typing import Any, ClassVar, Self

import captum.attr
import torch
from torch import Tensor, nn

from agg2exp.attribution.base import Attributor
from agg2exp.attribution.captum_score import ScoreModule, seeded
from agg2exp.baselines import Baseline, as_baseline
from agg2exp.domain.attribution import Attribution, DenseAttribution, SupervoxelAttribution
from agg2exp.domain.case import Case
from agg2exp.domain.class_scores import RecomputedScores, Scores
from agg2exp.domain.errors import SettingError
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import WindowedModel
from agg2exp.supervoxels import Given, Supervoxels

METHODS = (
    *("Saliency", "InputXGradient", "IntegratedGradients", "GradientShap", "GuidedBackprop", "Deconvolution"),
    *("FeatureAblation", "Occlusion", "ShapleyValueSampling", "ShapleyValues", "KernelShap", "Lime", "NoiseTunnel"),
)
HOOKING = {"GuidedBackprop", "Deconvolution"}
LOOPING = {"FeatureAblation", "Occlusion", "ShapleyValueSampling", "ShapleyValues"}  # over the features

REFUSED = {  # by the beginning of the name
    "DeepLift": "Its hooks need image and baseline side by side in one batch, which a batch of windows is not.",
    "LRP": "It rewrites the weights of the network, and has rules for few kinds of modules.",
    "FeaturePermutation": "It swaps features between images, and a case is one image.",
    "GuidedGradCam": "It needs the activations of a layer for the whole image, and there are only those of windows.",
    "LimeBase": "Lime is this with a model, similarities and perturbations.",
    "Layer": "It attributes to the units of a layer, not to voxels.",
    "InternalInfluence": "It attributes to the units of a layer, not to voxels.",
    "Neuron": "It explains a unit of the network, not the score of a class.",
}

OWN = {  # parameters of captum's that are not the user's to set, or have a setting of their own here
    *("self", "forward_func", "model", "attribution_method", "inputs", "target", "additional_forward_args", "kwargs"),
    *("baselines", "feature_mask", "show_progress", "return_convergence_delta", "return_input_shape"),
    *("interpretable_model", "similarity_func", "perturb_func"),
}
BATCHES = ("perturbations_per_eval", "internal_batch_size", "nt_samples_batch_size")
COUNTS = ("n_samples", "n_steps", "nt_samples")
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
        method: Name of the class, one of `METHODS`.
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
        _check_name("method", self.method, METHODS)
        if self.method == "NoiseTunnel":
            _check_name("of", self.of, METHODS[:-1])
        elif self.of is not None:
            raise SettingError("of", self.of, f"null, as method={self.method} repeats no other")
        allowed = {name: p for name, p in self._parameters().items() if name not in OWN}
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
    def uses_supervoxels(self) -> bool:  # type: ignore[override]  # depends on the class of captum's
        """Whether voxels are perturbed in groups: the class takes a `feature_mask`."""
        return "feature_mask" in self._parameters()

    @property
    def counts_all(self) -> bool:  # type: ignore[override]  # depends on the class of captum's
        """Whether the class evaluates no image for each feature."""
        return not {self.method, self.of} & LOOPING

    def compute(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> Attribution:
        """(K, C, D, H, W), or (K, S) where supervoxels are perturbed: captum gives all voxels of one the same value."""
        if {self.method, self.of} & HOOKING:
            _check_hooks(self.of or self.method, model.network, scores)
        parameters = self._parameters()
        given: dict[str, Any] = {name: model.windows.batch for name in BATCHES if name in parameters}
        given |= dict(self.arguments)
        if "baselines" in parameters:
            given["baselines"] = as_baseline(self.baselines)(image, rng).unsqueeze(0)
        seed = int(torch.randint(2**31, (), generator=rng.generator("captum")))

        def explained(c: int) -> Tensor:
            with seeded(seed, image.device):
                return self._attribute(ScoreModule(model, replace(scores, classes=(c,)), image.dtype), image, given)

        if not self.uses_supervoxels:
            values = model.zeros(image, scores)
            for k, c in enumerate(scores.classes):
                values[k] = explained(c)
            return DenseAttribution(values)
        if self.supervoxels is None:
            raise SettingError("feature_mask", None, "a supervoxel of every voxel (D, H, W)", "Or give supervoxels.")
        partition = self.supervoxels(image, scores.masks)
        given["feature_mask"] = partition[None, None]
        values = torch.zeros(len(scores.classes), int(partition.max()) + 1, dtype=torch.float64, device=image.device)
        for row, c in zip(values, scores.classes, strict=True):
            row.scatter_(0, partition.flatten(), explained(c)[0, 0].flatten().double())
        return SupervoxelAttribution(partition, values, "value")

    def evaluations(self) -> int:
        """Samples times steps; loops over features are not in it, as only the image tells their number."""
        parameters = self._parameters()
        counts = [self.arguments.get(n, parameters[n].default) for n in COUNTS if n in parameters]
        return math.prod(map(int, counts))

    def gradients(self) -> int:
        """Samples times steps, or none."""
        takes_gradients = issubclass(self._classes()[-1], captum.attr.GradientAttribution)
        return self.evaluations() if takes_gradients else 0

    def reusing_choices_of(self, first: Attribution) -> Self:
        """With the same supervoxels."""
        return replace(self, supervoxels=Given(first.partition)) if isinstance(first, SupervoxelAttribution) else self

    def for_case(self, case: Case) -> Self:
        """With the supervoxels of the case."""
        return self if self.supervoxels is None else replace(self, supervoxels=self.supervoxels.for_case(case))

    def settings(self) -> dict[str, str]:
        """The class and its arguments; baseline and supervoxels only if it takes them."""
        unused = {own for own, theirs in SHARED.items() if theirs not in self._parameters()}
        settings = {name: value for name, value in super().settings().items() if name not in unused}
        return {**settings, "method": f"captum.{self.method}", "captum": version("captum")}

    def replace(self, **settings: Any) -> Self:
        """The same method with other settings; what is none of them is one of the arguments."""
        parameters = self._parameters()
        if "feature_mask" in settings and "feature_mask" in parameters:
            settings["supervoxels"] = Given(settings.pop("feature_mask"))
        own = {f.name for f in fields(self)} - ({"baselines"} - parameters.keys())
        for name in settings.keys() - own:
            settings["arguments"] = {**settings.get("arguments", self.arguments), name: settings.pop(name)}
        return super().replace(**settings)

    def _classes(self) -> list[Any]:
        return [getattr(captum.attr, name) for name in (self.method, self.of) if name is not None]

    def _parameters(self) -> dict[str, inspect.Parameter]:
        """Of the constructor and of `attribute`, also of the method that NoiseTunnel repeats."""
        functions = [function for cls in self._classes() for function in (cls.__init__, cls.attribute)]
        return {name: p for function in functions for name, p in inspect.signature(function).parameters.items()}

    def _attribute(self, score: ScoreModule, image: Tensor, arguments: Mapping[str, Any]) -> Tensor:
        """(1, C, D, H, W) of one class."""
        cls = self._classes()[-1]
        constructor = {n: v for n, v in arguments.items() if n in inspect.signature(cls.__init__).parameters}
        method = cls(score, **constructor)
        if isinstance(method, captum.attr.GradientAttribution):
            method.gradient_func = score.gradient
        if self.of is not None:
            method = captum.attr.NoiseTunnel(method)
        rest = {n: v for n, v in arguments.items() if n not in constructor}
        attribution: Tensor = method.attribute(image.detach().unsqueeze(0).requires_grad_(), **rest)
        return attribution.detach()


def _tuples(value: Any) -> Any:
    """Lists, which configurations have, as the tuples that captum wants."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _check_name(setting: str, name: str | None, names: Sequence[str]) -> None:
    if name in names:
        return
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = next((why for start, why in REFUSED.items() if str(name).startswith(start)), "")
    raise SettingError(
        setting, name, "one of " + ", ".join(names), hint or (f"Did you mean {close[0]}?" if close else "")
    )


def _check_hooks(method: str, network: nn.Module, scores: Scores) -> None:
    """Whether hooks on ReLU modules do what the method's name says."""
    if not any(isinstance(module, nn.ReLU) for module in network.modules()):
        raise SettingError(
            "method", method, "another", "The network has no torch.nn.ReLU module: it would be Saliency."
        )
    if isinstance(scores, RecomputedScores):  # needs forwards without gradients, which the hooks do not bear
        raise SettingError("mask_policy", "recomputed", f"fixed for {method}", "At the image itself the masks agree.")
