"""What all metrics share: declarations, counts of passes, settings, reasons."""

from __future__ import annotations

import logging

import pytest
import torch

from agg2exp.attribution import IntegratedGradients
from agg2exp.inference import SlidingWindow
from agg2exp.metrics import (
    Completeness,
    Complexity,
    Efficiency,
    EvaluationMetric,
    Faithfulness,
    InsertionDeletion,
    Randomisation,
    Sensitivity,
)
from agg2exp.metrics.base import normalised
from agg2exp.supervoxels import Cubes, Semantic
from tests.unit.metrics.toy import SHAPE, Fixed, evaluation, random_image, toy_network

METRICS = [
    Faithfulness(n_subsets=5, subset_size=60),
    Sensitivity(n_samples=2),
    Complexity(),
    Efficiency(),
    InsertionDeletion(Cubes(6), 4),
    Randomisation(),
    Completeness(),
]
EACH = pytest.mark.parametrize("metric", METRICS, ids=[m.name for m in METRICS])


@EACH
def test_declares_what_it_is(metric: EvaluationMetric) -> None:
    assert metric.name.isidentifier()
    assert metric.category in {"faithfulness", "sensitivity", "complexity", "efficiency", "sanity"}
    assert isinstance(metric.higher_is_better, bool)
    low, high = metric.range
    assert low < high
    assert any(year.isdigit() and len(year) == 4 for year in metric.paper.replace(",", " ").split())


@EACH
def test_values_are_one_per_class_within_the_range(metric: EvaluationMetric) -> None:
    network = toy_network()
    network.last.bias.data[1] = -1e3
    case = evaluation(network, random_image(), IntegratedGradients(n_steps=4), classes=(3, 1, 0))
    found = metric.evaluate(case)
    assert metric.name in found
    for values in found.values():
        assert values.shape == (3,) if values.ndim == 1 else values.shape[::2] == (3, 2)  # or curves
        assert values.dtype == torch.float64
        assert values.device.type == "cpu"
    values = found[metric.name]
    assert values.isfinite().tolist() == [True, metric.name == "efficiency", True]
    assert metric.range[0] <= float(values.nan_to_num(values[0]).min())
    assert metric.range[1] >= float(values.nan_to_num(values[0]).max())


@EACH
@pytest.mark.parametrize("recomputed", [False, True])
def test_passes_are_those_that_were_announced(metric: EvaluationMetric, recomputed: bool) -> None:
    """A volume of one window, an attribution of 4 + 2 forwards and 4 x 3 backwards."""
    method = IntegratedGradients(n_steps=4)
    settings = SlidingWindow((10, 8, 10), 0.0)
    case = evaluation(
        toy_network(), random_image(), method, classes=(3, 1, 0), settings=settings, recomputed=recomputed
    )
    before = case.model.passes
    case.attribute()
    once = case.model.passes
    attribution = once - before
    metric.evaluate(case)
    forwards, again = metric.evaluations(3)
    used = case.model.passes - once
    assert used.window_forwards - again * attribution.window_forwards + used.reused == forwards
    assert used.window_backwards == again * attribution.window_backwards
    assert (attribution.window_forwards, attribution.window_backwards) == ((10, 12) if recomputed else (6, 12))


@EACH
def test_settings_are_words_and_tell_metrics_apart(metric: EvaluationMetric) -> None:
    assert all(isinstance(v, str) for pair in metric.settings().items() for v in pair)


def test_settings_hold_every_argument() -> None:
    assert InsertionDeletion(Semantic(), 7, 0.5).settings() == {
        "class": "agg2exp.metrics.insertion_deletion.InsertionDeletion",
        "supervoxels": "Semantic()",
        "steps": "7",
        "baseline": "Constant(value=0.5)",
    }
    assert Faithfulness(subset_size=None, subset_fraction=0.2).settings() == {
        "class": "agg2exp.metrics.faithfulness.Faithfulness",
        "n_subsets": "100",
        "subset_size": "None",
        "subset_fraction": "0.2",
        "correlation": "pearson",
        "baseline": "Constant(value=0.0)",
        "mask_policy": "None",
    }
    assert Completeness().settings() == {"class": "agg2exp.metrics.completeness.Completeness"}


def test_reasons_are_logged_once_for_each_class(caplog: pytest.LogCaptureFixture) -> None:
    network = toy_network()
    network.last.bias.data[2] = -1e3
    values = torch.ones(4, 1, *SHAPE, dtype=torch.float64)
    values[1:3] = 0
    values[3, 0, 0, 0, 0] = torch.nan
    case = evaluation(network, random_image(), Fixed(values))
    assert case.absent.tolist() == [False, False, True, False]
    assert case.peaks[:3].tolist() == [1, 0, 0]
    with caplog.at_level(logging.INFO):
        found = Complexity().where_defined(case, torch.arange(4.0), {"of the weather": torch.ones(4, dtype=torch.bool)})
    assert bool(found.isnan().all())
    assert [r.message for r in caplog.records] == [
        "case s0001: no complexity for label 2: the class is absent from the prediction",
        "case s0001: no complexity for label 1: its attribution is zero everywhere",
        "case s0001: no complexity for label 3: its attribution is not finite",
        "case s0001: no complexity for label 0: of the weather",
    ]


def test_normalised_keeps_signs() -> None:
    assert normalised(torch.tensor([1.0, -4.0, 2.0])).tolist() == [0.25, -1, 0.5]
    assert bool(normalised(torch.zeros(3)).isnan().all())
