"""Efficiency: numbers of the case beside each class."""

from __future__ import annotations

from agg2exp.metrics import Efficiency
from tests.unit.metrics.toy import evaluation, random_image, toy_network


def test_numbers_are_those_of_the_case_also_for_absent_classes() -> None:
    network = toy_network()
    network.last.bias.data[1] = -1e3
    case = evaluation(network, random_image(), classes=(0, 1, 3))
    before = case.model.passes
    found = {name: values.tolist() for name, values in Efficiency().evaluate(case).items()}
    assert found == {
        "efficiency": [1.5, 1.5, 1.5],
        "seconds_per_class": [0.5, 0.5, 0.5],
        "window_forwards": [12, 12, 12],
        "window_backwards": [34, 34, 34],
    }
    assert case.model.passes == before
