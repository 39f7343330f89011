"""Every attribution method that has a YAML, made from it as a run makes it, with samples and steps for a test."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from agg2exp.attribution import Attributor
from agg2exp.cli.application import build
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.domain.attribution import Attribution
from agg2exp.domain.class_scores import RecomputedScores, Scores
from agg2exp.domain.prediction import Prediction
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import SumScore
from tests.helpers.networks import IntensityNetwork
from tests.helpers.runs import composed

FEW = {"n_samples": 12, "n_steps": 3, "n_components": 8, "nt_samples": 3}  # wherever a configuration names them
FURTHER = {  # besides the YAML's own defaults: what another choice in it makes of the method
    "captum": (
        ("attribution.method=KernelShap", "+attribution.arguments.n_samples=12"),
        (
            *("attribution.method=NoiseTunnel", "attribution.of=Saliency"),
            "+attribution.arguments={nt_samples: 3, stdevs: 0.1}",
        ),
    ),
}
SUPERVOXELS = ("cubes", "semantic")
CLASSES = (0, 1, 2, 3, 4)
ABSENT = 4
SHAPE = (8, 8, 20)
WINDOW = SlidingWindow((8, 8, 8), overlap=0.25)


@dataclass(frozen=True)
class Choice:
    """One way to name a method on the command line; prints as its id."""

    attribution: str
    supervoxels: str = "none"
    further: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [self.attribution, *(word.split("=")[1] for word in self.further if word.startswith("attribution."))]
        return "-".join(words if self.supervoxels == "none" else [*words, self.supervoxels])

    @functools.cache  # noqa: B019 - a handful of frozen choices, alive as long as the tests
    def method(self) -> Attributor:
        """The method."""
        return self.made()

    def made(self) -> Attributor:
        """The method, made anew."""
        words = [f"attribution={self.attribution}", f"supervoxels={self.supervoxels}", *self.further]
        with composed("explain", words, Path("unused")) as config:
            OmegaConf.set_struct(config, False)
            for key in ("attribution", "supervoxels"):
                _shrink(config[key])
            method: Attributor = build(config, "attribution")
        return method


def _shrink(node: DictConfig) -> None:
    for key in list(node):
        if key in FEW:
            node[key] = FEW[key]
        elif OmegaConf.is_dict(node[key]) and not OmegaConf.is_interpolation(node, key):
            _shrink(node[key])


def choices() -> Iterator[Choice]:
    """All of them: every YAML on disk, with every kind of supervoxels if it uses any."""
    for path in sorted((conf_dir() / "attribution").glob("*.yaml")):
        for further in ((), *FURTHER.get(path.stem, ())):
            if not Choice(path.stem, "cubes", further).method().uses_supervoxels:
                yield Choice(path.stem, further=further)
            else:
                yield from (Choice(path.stem, name, further) for name in SUPERVOXELS[: 1 if further else None])


def image_of(channels: int = 1, shape: Sequence[int] = SHAPE, seed: int = 0) -> Tensor:
    """Dark at one end of the last axis and bright at the other, with noise, (C, *shape) in [0, 1]."""
    noise = torch.rand(channels, *shape, generator=torch.Generator().manual_seed(seed))
    return 0.9 * torch.linspace(0, 1, shape[-1]) + 0.1 * noise


def scores_of(prediction: Prediction, classes: tuple[int, ...] = CLASSES, policy: str = "fixed") -> Scores:
    """Eq. 2 under a mask policy."""
    if policy == "fixed":
        return SumScore()(prediction, classes)
    return RecomputedScores(classes, prediction.masks, lambda p: SumScore()(p, classes))


def computed(
    method: Attributor,
    network: nn.Module | None = None,
    image: Tensor | None = None,
    *,
    classes: tuple[int, ...] = CLASSES,
    policy: str = "fixed",
    settings: SlidingWindow = WINDOW,
    batch: int = 2,
    rng: KeyedRng | None = None,
    told: list[int] | None = None,
) -> tuple[Attribution, WindowedModel]:
    """What the method makes of an image; the model has only the passes of `compute`, and told only its windows."""
    network = IntensityNetwork() if network is None else network
    image = image_of() if image is None else image
    settings = replace(settings, batch=batch)
    prediction = WindowedModel(network, settings).predict(image)
    model = WindowedModel(network, settings, None if told is None else told.append)
    rng = KeyedRng(0, "case", method.name) if rng is None else rng
    return method.compute(model, image, scores_of(prediction, classes, policy), rng), model


def dense(attribution: Attribution) -> Tensor:
    """(K, C, D, H, W)."""
    return torch.stack([attribution.dense(k) for k in range(attribution.n_classes)])


def state_of(network: nn.Module) -> list[Any]:
    """All that a method could leave changed: modes, hooks, patched members, gradients, values, the random states."""
    modules = [
        (name, type(m), m.training, sorted(vars(m)), {k: dict(v) for k, v in vars(m).items() if "hook" in k and v})
        for name, m in network.named_modules()
    ]
    parameters = [(p.requires_grad, p.grad is None, list(p._backward_hooks or ())) for p in network.parameters()]
    values = [hashlib.sha256(v.contiguous().numpy().tobytes()).hexdigest() for v in network.state_dict().values()]
    numpy_state = np.random.get_state(legacy=True)  # noqa: NPY002 - the global state is what is watched
    draws = [torch.get_rng_state().tolist(), numpy_state[1].tolist(), numpy_state[2:], random.getstate()]
    return [modules, parameters, values, draws, torch.is_grad_enabled(), torch.is_inference_mode_enabled()]
