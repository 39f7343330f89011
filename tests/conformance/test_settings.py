"""A result is never taken for that of other settings."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.transforms import NormalizeIntensity

from agg2exp.attribution import Attributor, SmoothGrad
from agg2exp.baselines import Baseline, Constant
from agg2exp.domain.description import described, text
from agg2exp.domain.errors import SettingError
from agg2exp.inference import SlidingWindow
from agg2exp.metrics import Complexity, EvaluationMetric, Faithfulness
from agg2exp.preprocessing.base import Preprocessor
from agg2exp.preprocessing.body import CtBody
from agg2exp.preprocessing.crop import ForegroundCrop
from agg2exp.preprocessing.display import Display
from agg2exp.preprocessing.intensity import Intensity, Window
from agg2exp.preprocessing.pad import Pad
from agg2exp.scores import MarginScore, Score, SumScore
from agg2exp.supervoxels import Cubes, Supervoxels
from tests.conformance.methods import Choice, choices, computed, dense
from tests.helpers.explanations import module_of, scheme
from tests.helpers.networks import IntensityNetwork


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


def shipped(base: type) -> list[type]:
    """Every class of the package below a base class, found by itself."""
    for package in (
        "attribution",
        "baselines",
        "inference",
        "metrics",
        "preprocessing",
        "run",
        "scores",
        "supervoxels",
    ):
        folder = Path(importlib.import_module(f"agg2exp.{package}").__file__ or "").parent
        for file in sorted(folder.glob("[!_]*.py")):
            importlib.import_module(f"agg2exp.{package}.{file.stem}")
    found, todo = [], [base]
    while todo:
        cls = todo.pop(0)
        todo += cls.__subclasses__()
        if cls.__module__.startswith("agg2exp.") and not inspect.isabstract(cls) and not cls.__name__.startswith("_"):
            found.append(cls)
    return found


NEEDED: dict[str, Any] = {
    "ids": torch.arange(24).reshape(2, 3, 4),
    "volume": torch.rand(1, 2, 3, 4, generator=torch.Generator().manual_seed(0)),
    "path": "{case}/atlas.nii.gz",
    "size": (8, 8, 8),
    "transforms": (NormalizeIntensity(),),
    "low": -1000,
    "high": 1000,
    "multiple": (2, 2, 2),
    "channels": (Window(0, 1),),
}
"""Arguments without a default, or of which one is needed."""
TRIES = (0, 1, 2, 3, 5, 0.25, 0.375, "other", "gaussian", "spearman", "recomputed", "bfloat16", "value", "midpoint",
         "Saliency", (6, 6, 6), True, False, None, Constant(0.375), Cubes(5), {"n_samples": 7}, {"abs": False},
         NEEDED["ids"] // 2, NEEDED["volume"] + 1, [4, 4, 4], "LPI", "cubic", Window(-100, 300), ForegroundCrop(),
         Pad((8, 8, 8)), CtBody(), (Window(0, 2),), Display(-10, 10), (NormalizeIntensity(nonzero=True),))  # fmt: skip
PARTS = [cls for base in (Attributor, Baseline, EvaluationMetric, ForegroundCrop, Intensity, Pad, Preprocessor, Score,
                          SlidingWindow, Supervoxels) for cls in shipped(base)]  # fmt: skip


def made(cls: type, **chosen: Any) -> Any:
    names = inspect.signature(cls).parameters
    needed = {name: NEEDED[name] for name, p in names.items() if p.default is p.empty or name == "multiple"}
    return cls(**{**needed, **chosen})


def test_every_kind_of_part_is_found() -> None:
    names = {cls.__name__ for cls in PARTS}
    assert {"KernelShap", "CaptumMethod", "Given", "Blurred", "Faithfulness", "Efficiency", "MarginScore"} <= names
    assert {"SlidingWindow", "Slic", "LabelMap", "Semantic"} <= names
    assert {"Preprocessing", "MonaiPreprocessing", "Window", "ZScore", "Percentile", "ForegroundCrop", "Pad"} <= names


@pytest.mark.parametrize("cls", PARTS, ids=lambda cls: f"{cls.__module__.split('.')[1]}.{cls.__name__}")
def test_every_argument_of_every_part_is_in_its_description(cls: type) -> None:
    usual = made(cls)
    describe = type(usual).settings if hasattr(usual, "settings") else described
    first = describe(usual)
    assert describe(made(cls)) == first
    assert first["class"].endswith(cls.__name__)
    assert all(isinstance(value, str) and "0x" not in value for value in first.values())
    assert text(made(cls)) == text(usual)
    for name in inspect.signature(cls).parameters:
        others = []
        for value in TRIES:
            try:
                other = made(cls, **{name: value})
            except (SettingError, TypeError, ValueError, AttributeError, RuntimeError):
                continue
            if not same(getattr(other, name), getattr(usual, name)):
                others.append(describe(other))
        if (cls.__name__, name) not in DEPENDENT | ELSEWHERE:
            assert others, f"no other value for {name} was found"
            assert all(other != first for other in others), name


DEPENDENT = {("CaptumMethod", "arguments"), ("CaptumMethod", "of"), ("CaptumMethod", "baselines"),
             ("CaptumMethod", "supervoxels"), ("Cubes", "edge"), ("Faithfulness", "subset_fraction")}  # fmt: skip
"""Arguments that are allowed, or that matter, only together with another; the tests above and below change both."""


ELSEWHERE = {("LabelMap", "names"), ("Given", "quiet")}
"""Arguments that the object does not keep: names are in the fingerprint of each case, and a message changes nothing."""


def test_arguments_that_depend_on_each_other_are_in_the_description() -> None:
    assert len({text(Cubes(*arguments)) for arguments in ((512, None), (None, 3), (None, 4))}) == 3
    shares = [Faithfulness(subset_size=None, subset_fraction=share).settings() for share in (0.1, 0.2)]
    assert shares[0] != shares[1]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and bool(one == other)


@pytest.mark.parametrize(
    "change",
    [
        {"score": MarginScore()},
        {"inference": SlidingWindow((8, 8, 8), batch=1)},
        {"inference": SlidingWindow((8, 8, 8), 0.5)},
        {"attribution": SmoothGrad(3)},
        {"classes": ["heart"]},
        {"mask_policy": "recomputed"},
        {"seed": 1},
        {"metrics": {"complexity": Complexity(0.2)}},
        {"metrics": {"complexity": Complexity(), "more": Complexity()}},
        {"provenance": {"weights": "others"}},
        {"network": IntensityNetwork(classes=4, seed=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_argument_of_the_module_is_in_its_settings(change: dict[str, Any]) -> None:
    def settings(**chosen: Any) -> Mapping[str, str]:
        usual = {
            "network": IntensityNetwork(classes=4),
            "attribution": SmoothGrad(2),
            "score": SumScore(),
            "inference": SlidingWindow((8, 8, 8)),
            "labels": scheme(),
            "metrics": {"complexity": Complexity()},
        }
        return module_of(**{**usual, **chosen}).evaluator.settings()

    assert settings() == settings()
    assert settings(**change) != settings()


def test_a_provenance_hides_no_setting() -> None:
    hidden = {"classes": "all of the model", "windows: size": "8", "weights": "w"}
    module = module_of(
        IntensityNetwork(classes=4), SmoothGrad(2), SumScore(), SlidingWindow((6, 6, 6)), scheme(), ["heart"],
        provenance=hidden,
    )  # fmt: skip
    assert module.settings()["classes"] == "heart"
    assert module.settings()["windows: size"] == "(6, 6, 6)"
