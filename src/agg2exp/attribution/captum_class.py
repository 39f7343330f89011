"""What is known of the classes of `captum.attr`: which can be used, and what they take."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import captum.attr
from torch import Tensor, nn

from agg2exp.attribution.captum_score import ScoreModule
from agg2exp.domain.class_scores import RecomputedScores, Scores
from agg2exp.domain.errors import SettingError

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


@dataclass(frozen=True)
class CaptumClass:
    """A class of `captum.attr`.

    Attributes:
        method: Name of the class, one of `METHODS`.
        of: The method that `NoiseTunnel` repeats, else None.

    Raises:
        SettingError: A class that does not exist or cannot be used.
    """

    method: str
    of: str | None = None

    def __post_init__(self) -> None:
        _check_name("method", self.method, METHODS)
        if self.method == "NoiseTunnel":
            _check_name("of", self.of, METHODS[:-1])
        elif self.of is not None:
            raise SettingError("of", self.of, f"null, as method={self.method} repeats no other")

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """Of the constructor and of `attribute`, also of the method that NoiseTunnel repeats."""
        functions = [function for cls in self._classes for function in (cls.__init__, cls.attribute)]
        return {name: p for function in functions for name, p in inspect.signature(function).parameters.items()}

    @property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """The parameters that are the user's to set."""
        return {name: parameter for name, parameter in self.parameters.items() if name not in OWN}

    @property
    def loops(self) -> bool:
        """Whether an image is evaluated for each feature."""
        return bool({self.method, self.of} & LOOPING)

    @property
    def takes_gradients(self) -> bool:
        """Whether images are differentiated."""
        return issubclass(self._classes[-1], captum.attr.GradientAttribution)

    def count(self, arguments: Mapping[str, Any]) -> int:
        """Samples times steps."""
        counts = [arguments.get(n, self.parameters[n].default) for n in COUNTS if n in self.parameters]
        return math.prod(map(int, counts))

    def batches(self, size: int) -> dict[str, Any]:
        """Arguments that set how many images are evaluated at a time."""
        return {name: size for name in BATCHES if name in self.parameters}

    def check_network(self, network: nn.Module, scores: Scores) -> None:
        """Raise `SettingError` where hooks on ReLU modules would not do what the method's name says."""
        if not {self.method, self.of} & HOOKING:
            return
        name = self.of or self.method
        if not any(isinstance(module, nn.ReLU) for module in network.modules()):
            raise SettingError(
                "method", name, "another", "The network has no torch.nn.ReLU module: it would be Saliency."
            )
        if isinstance(scores, RecomputedScores):  # needs forwards without gradients, which the hooks do not bear
            raise SettingError("mask_policy", "recomputed", f"fixed for {name}", "At the image itself the masks agree.")

    def attribute(self, score: ScoreModule, image: Tensor, arguments: Mapping[str, Any]) -> Tensor:
        """What it attributes of a score to an image (C, D, H, W), (1, C, D, H, W)."""
        cls = self._classes[-1]
        constructor = {n: v for n, v in arguments.items() if n in inspect.signature(cls.__init__).parameters}
        method = cls(score, **constructor)
        if isinstance(method, captum.attr.GradientAttribution):
            method.gradient_func = score.gradient
        if self.of is not None:
            method = captum.attr.NoiseTunnel(method)
        rest = {n: v for n, v in arguments.items() if n not in constructor}
        attribution: Tensor = method.attribute(image.detach().unsqueeze(0).requires_grad_(), **rest)
        return attribution.detach()

    @property
    def _classes(self) -> list[Any]:
        return [getattr(captum.attr, name) for name in (self.method, self.of) if name is not None]


def _check_name(setting: str, name: str | None, names: Sequence[str]) -> None:
    if name in names:
        return
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = next((why for start, why in REFUSED.items() if str(name).startswith(start)), "")
    raise SettingError(
        setting, name, "one of " + ", ".join(names), hint or (f"Did you mean {close[0]}?" if close else "")
    )
