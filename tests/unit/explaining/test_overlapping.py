"""Explained and evaluated regions that may overlap; a network's only region is class 1 of a softmax over [0, f]."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from agg2exp.attribution import Attributor, IntegratedGradients, KernelShap, SmoothGrad
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.labels import Labels
from agg2exp.explaining.evaluator import Evaluator
from agg2exp.explaining.explainer import Explainer
from agg2exp.inference import SlidingWindow
from agg2exp.metrics import (
    Completeness,
    Complexity,
    EvaluationMetric,
    Faithfulness,
    InsertionDeletion,
    Randomisation,
    Sensitivity,
)
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.scores import MarginScore
from agg2exp.store.array_cache import ArrayCache
from agg2exp.supervoxels import Cubes, Semantic
from tests.helpers.networks import RegionNetwork, ToyNetwork, TwoClasses

SHAPE = (10, 8, 9)
METHODS: list[Attributor] = [SmoothGrad(n_samples=2), IntegratedGradients(n_steps=3), KernelShap(Semantic())]


class Alone(nn.Module):
    """The network, its parameters named as in `TwoClasses`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def case_of(channels: int = 2) -> Case:
    image = torch.rand(channels, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return Case("a", image, Grid(SHAPE, np.eye(4)), Grid(SHAPE, np.eye(4)))


def explainer(network: nn.Module, labels: Labels, method: Attributor, **more: object) -> Explainer:
    windows = SlidingWindow((8, 8, 8), 0.5, "gaussian")
    model = SegmentationModel(network.double().eval(), labels, Preprocessing(), windows)
    return Explainer(model, method, MarginScore(), **more)


def metrics() -> dict[str, EvaluationMetric]:
    return {
        "faithfulness": Faithfulness(10, None, 0.1),
        "sensitivity": Sensitivity(2),
        "complexity": Complexity(),
        "completeness": Completeness(),
        "cubes": InsertionDeletion(Cubes(8), 4),
        "semantic": InsertionDeletion(Semantic(), 4),
        "randomisation": Randomisation(),
    }


@pytest.mark.parametrize("policy", ["fixed", "recomputed"])
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_metrics_of_the_only_region_are_those_of_class_1(method: Attributor, policy: str) -> None:
    network, case = ToyNetwork(2, classes=1, seed=4), case_of()
    region = explainer(Alone(network), Labels(("tumour",), "sigmoid"), method, mask_policy=policy)
    of_two = explainer(TwoClasses(network), Labels(("background", "tumour")), method, mask_policy=policy,
                       classes=["tumour"])  # fmt: skip
    found, expected = (Evaluator(one, metrics()).explain(case) for one in (region, of_two))
    torch.testing.assert_close(found.attribution.dense(0), expected.attribution.dense(0), rtol=1e-9, atol=1e-9)
    assert found.metrics.keys() == expected.metrics.keys() >= {"sensitivity_dice", "semantic"}
    for name, values in found.metrics.items():
        torch.testing.assert_close(values, expected.metrics[name], rtol=1e-6, atol=1e-9, equal_nan=True)
        assert values.isfinite().all() or name == "completeness"
    assert found.passes == expected.passes


def test_kept_predictions_chunks_and_twins_give_the_same_regions(tmp_path: Path) -> None:
    labels, case = Labels(("whole", "core", "enhancing"), "sigmoid"), case_of()
    usual = explainer(RegionNetwork((0.3, 0.45, 0.55)), labels, SmoothGrad(n_samples=2), twins=2).explain(case)
    kept = explainer(RegionNetwork((0.3, 0.45, 0.55)), labels, SmoothGrad(n_samples=2),
                     predictions=ArrayCache(tmp_path), class_chunk=2)  # fmt: skip
    first, again = kept.explain(case), kept.explain(case)
    predicted = len(kept.at(case).model.plan(case.image).windows)
    assert (first.passes - again.passes).window_forwards == predicted  # kept from the first time
    for other in (first, again):
        assert torch.equal(other.prediction.masks.bits, usual.prediction.masks.bits)
        for k in range(3):
            torch.testing.assert_close(other.attribution.dense(k), usual.attribution.dense(k))
    assert [twin().n_classes for twin in usual.twins] == [3, 3]
