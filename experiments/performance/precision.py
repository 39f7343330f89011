"""What half precision and `torch.compile` gain in time and cost in accuracy, against float32.

The shipped U-Net on one phantom: a prediction, and the vanilla gradient of the scores of some classes that belong to
the float32 prediction. Pairs are interleaved, and ratios are taken pair by pair; the first run of a compiled network is
timed apart.

    python experiments/performance/precision.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from captum_way import medians, seconds
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.aggregation.local_importance import local_importance
from agg2exp.cli.builders import explanation_module
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.segmentation_model import trained_model
from agg2exp.data.phantom import make_phantom
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.roi_importance import Kind
from agg2exp.inference import WindowedModel
from agg2exp.preprocessing.base import Preprocessor
from agg2exp.run.module import ExplanationModule

VARIANTS = {"bfloat16": ("bfloat16", False), "float16": ("float16", False), "compiled": ("float32", True)}


def shipped(weights: str, classes: list[str], compiled: bool) -> tuple[ExplanationModule, Preprocessor]:
    """The module as `agg2exp explain` makes it, and what its images go through."""
    overrides = [
        f"model.weights={weights}",
        f"classes=[{','.join(classes)}]",
        f"module.compile_network={str(compiled).lower()}",
    ]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("explain", overrides=overrides)
        model = trained_model(config)
        return explanation_module(config, model), model.preprocessing


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Of each class, (K,)."""
    a, b = a.double().flatten(1), b.double().flatten(1)
    return (a * b).sum(dim=1) / (a.square().sum(dim=1) * b.square().sum(dim=1)).sqrt()


class Task:
    """Something that a model does with one image; keeps its last result."""

    def __init__(self, run: Callable[[WindowedModel], Tensor], model: WindowedModel) -> None:
        self.run, self.model = run, model

    def __call__(self) -> None:
        """Do it."""
        self.result = self.run(self.model)


def main() -> None:
    """Print some lines per variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1, help="half precision takes minutes each time")
    parser.add_argument("--spacing", type=float, default=3.0, help="mm between voxels of the phantom's scan")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--classes", nargs="+", default=["heart", "aorta", "ribs"])
    parser.add_argument("--weights", default="shipped:unet_phantom.safetensors")
    parser.add_argument("--threads", type=int, default=1, help="more make the times depend on what else runs")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    module, preprocessing = shipped(args.weights, args.classes, compiled=False)
    phantom = make_phantom(seed=7, index=1, spacing=(args.spacing,) * 3)
    image, grid = preprocessing.image(phantom.image[None], Grid(phantom.image.shape, phantom.affine))
    windows = module.explainer.model.windows
    plain = WindowedModel(module, windows)
    prediction = plain.predict(image)
    scores, labels = module.class_scores(prediction), prediction.label_map
    case = Case("case", image, grid, grid)
    regions = CaseRegions.of(case, prediction.masks, module.labels)
    tasks: dict[str, Callable[[WindowedModel], Tensor]] = {
        "prediction": lambda model: model.predict(image).label_map,
        "vanilla gradient": lambda model: model.gradient(image.unsqueeze(0), scores),
    }

    classes = module.explainer.classes

    def shares(values: Tensor) -> NDArray[np.float64]:
        attribution = DenseAttribution(values)
        local = local_importance(attribution, classes, regions)
        return local.values[Kind.IMPORTANCE]

    print(
        f"{tuple(image.shape[1:])} voxels, {len(plain.plan(image).windows)} windows of {windows.size}, "
        f"{len(args.classes)} classes, {args.threads} threads, {args.pairs} interleaved pairs"
    )
    for name in args.variants:
        precision, compiled = VARIANTS[name]
        other = shipped(args.weights, args.classes, compiled=True)[0] if compiled else module
        model = WindowedModel(other, replace(windows, precision=precision))
        results = []
        for task, run in tasks.items():
            float32, variant = Task(run, plain), Task(run, model)
            if compiled:
                print(f"{name}, {task}: first run {seconds(variant)[0]:.1f} s")
            _, (wall, cpu) = medians(args.pairs, float32, variant)
            print(f"{name}, {task}: {wall:.2f} x the wall time of float32, {cpu:.2f} x CPU", flush=True)
            results.append((float32.result, variant.result))
        (_, predicted), (reference, values) = results
        cosine = cosines(values, reference)
        difference = np.nanmax(np.abs(shares(values) - shares(reference)))
        changed = float((predicted != labels).double().mean())
        print(
            f"{name}: labels changed {100 * changed:.3f} %, cosine of attributions lowest {cosine.min():.5f}, "
            f"median {cosine.median():.5f}, largest difference of RoI shares {difference:.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
