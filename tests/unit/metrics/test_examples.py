"""The examples in the docstrings of metrics give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import agg2exp.metrics

MODULES = [f"agg2exp.metrics.{module.name}" for module in pkgutil.iter_modules(agg2exp.metrics.__path__)]
FORMULAS = {
    "complexity": "complexity", "faithfulness": "faithfulness", "insertion_deletion": "insertion_deletion",
    "randomisation": "randomisation", "sensitivity": "relative_change", "summary": "summary",
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name: str):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize(("module", "name"), FORMULAS.items())
def test_every_formula_has_an_example(module: str, name: str):
    function = getattr(importlib.import_module(f"agg2exp.metrics.{module}"), name)
    assert doctest.DocTestFinder().find(function, globs={})[0].examples
