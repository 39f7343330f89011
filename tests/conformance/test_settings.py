"""A result is never taken for that of other settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch

from agg2exp.attribution import Attributor
from agg2exp.baselines import Baseline, Constant
from agg2exp.domain.errors import SettingError
from agg2exp.supervoxels import Cubes, Supervoxels
from tests.conformance.methods import Choice, choices, computed, dense


def others(value: Any, refusal: str) -> Iterator[Any]:
    """Values that a setting may have instead; `refusal` is what the method said of a nonsense value."""
    choices = re.search(r"one of (.*?), got", refusal)
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value + 2)
    elif isinstance(value, float):
        yield value / 2 + 0.125
    elif isinstance(value, str):
        yield from (word.strip("'") for word in choices[1].split(", ")) if choices else ("other",)
    elif isinstance(value, Baseline):
        yield from (Constant(0.375), Constant(0.625))
    elif isinstance(value, Supervoxels):
        yield Cubes(5)
    elif isinstance(value, Mapping):
        yield from ({**value, k: other} for k, v in value.items() for other in others(v, ""))
    elif value is None:
        yield from (3, 0.375, "other", Constant(0.375), Cubes(5))


def changed(method: Attributor, name: str) -> Iterator[Attributor]:
    """The method with another value of one setting, for all values that it takes."""
    present, refusal = getattr(method, name), ""
    if isinstance(present, str):
        try:
            replace(method, **{name: "?"})
        except SettingError as error:
            refusal = str(error)
    for value in others(present, refusal):
        if value != present:
            try:
                yield replace(method, **{name: value})
            except SettingError:
                continue


@pytest.mark.parametrize("choice", list(choices()), ids=str)
def test_settings_say_all_that_a_result_depends_on(choice: Choice) -> None:
    method = choice.method()
    settings = method.settings()
    assert settings == choice.made().settings()
    assert all(isinstance(value, str) and "0x" not in value for value in settings.values())
    assert is_dataclass(method)
    for field in (f for f in fields(method) if not f.name.startswith("_")):
        for other in changed(method, field.name):
            if other.settings() == settings:  # only if it is of no consequence
                same, expected = computed(other)[0], computed(method)[0]
                assert torch.equal(dense(same), dense(expected)), field.name


def test_number_of_samples_or_steps_can_be_set() -> None:
    """Of the methods that have one; so that the test above does try something."""
    for name, setting in (("smoothgrad", "n_samples"), ("integrated_gradients", "n_steps")):
        method = Choice(name).method()
        assert len({str(other.settings()) for other in changed(method, setting)} | {str(method.settings())}) == 3
