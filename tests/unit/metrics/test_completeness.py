"""Completeness: what the method noted."""

from __future__ import annotations

import pytest

from agg2exp.attribution import IntegratedGradients, VanillaGradient
from agg2exp.metrics import Completeness
from tests.unit.metrics.toy import evaluation, random_image, toy_network


def test_is_the_gap_that_the_method_noted() -> None:
    network = toy_network()
    network.last.bias.data[1] = -1e3
    case = evaluation(network, random_image(), IntegratedGradients(n_steps=3))
    before = case.model.passes
    found = Completeness().evaluate(case)["completeness"]
    ends = case.model.scores(case.image.unsqueeze(0), case.scores) - case.model.scores(
        0 * case.image.unsqueeze(0), case.scores
    )
    for k in (0, 2, 3):
        gap = abs(float(case.attribution.dense(k).sum() - ends[0, k])) / abs(float(ends[0, k]))
        assert float(found[k]) == pytest.approx(gap, rel=1e-6)
    assert found[1].isnan()
    assert case.model.passes.window_backwards == before.window_backwards


def test_methods_that_promise_nothing_are_nan() -> None:
    case = evaluation(toy_network(), random_image(), VanillaGradient())
    assert bool(Completeness().evaluate(case)["completeness"].isnan().all())
