"""The group `metric`: the paper's settings are the defaults, and choices join."""

from __future__ import annotations

from pathlib import Path

import pytest

from agg2exp.baselines import Blurred, Constant, Mean
from agg2exp.cli.application import build
from agg2exp.metrics import Complexity, Efficiency, EvaluationMetric, Faithfulness, InsertionDeletion, Sensitivity
from tests.helpers.runs import composed

PAPER = {"faithfulness": Faithfulness, "sensitivity": Sensitivity, "complexity": Complexity, "efficiency": Efficiency}


def made(tmp_path: Path, *overrides: str) -> dict[str, EvaluationMetric]:
    with composed("explain", [*overrides, f"data.root={tmp_path}"], tmp_path) as config:
        return build(config, "metric")


def test_paper_has_the_settings_of_appendix_b(tmp_path: Path) -> None:
    metrics = made(tmp_path, "metric=paper")
    assert {name: type(metric) for name, metric in metrics.items()} == PAPER
    faithfulness, sensitivity, complexity = (metrics[n] for n in ("faithfulness", "sensitivity", "complexity"))
    assert (faithfulness.n_subsets, faithfulness.subset_size, faithfulness.correlation) == (100, 224**2, "pearson")
    assert faithfulness.baseline == Constant(0.0)
    assert (sensitivity.n_samples, sensitivity.radius) == (3, 0.1)
    assert complexity.threshold == 0.1


def test_files_say_the_defaults_of_the_classes(tmp_path: Path) -> None:
    metrics = made(tmp_path, "metric=all")
    assert set(metrics) > set(PAPER)
    for name, metric in metrics.items():
        assert metric.name == name
        assert metric.settings() == type(metric)().settings()


def test_choices_join_and_take_another_occluder(tmp_path: Path) -> None:
    metrics = made(
        tmp_path,
        "metric=[faithfulness,insertion_deletion]",
        "baseline@metric.faithfulness.baseline=mean",
        "baseline@metric.insertion_deletion.baseline=blurred",
    )
    assert set(metrics) == {"faithfulness", "insertion_deletion"}
    assert metrics["faithfulness"].baseline == Mean()
    assert isinstance(metrics["insertion_deletion"], InsertionDeletion)
    assert isinstance(metrics["insertion_deletion"].baseline, Blurred)


def test_none_is_empty(tmp_path: Path) -> None:
    assert not made(tmp_path, "metric=none")


@pytest.mark.parametrize("name", ["faithfulness", "sensitivity", "complexity", "efficiency"])
def test_each_stands_alone(name: str, tmp_path: Path) -> None:
    assert set(made(tmp_path, f"metric={name}")) == {name}
