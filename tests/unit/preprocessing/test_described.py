"""A preprocessing tells all that a result depends on: another argument is another description."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import NormalizeIntensity, Resize, ScaleIntensity, Spacing

from agg2exp.domain.description import described
from agg2exp.preprocessing.base import provenance_of
from agg2exp.preprocessing.body import CtBody
from agg2exp.preprocessing.crop import ForegroundCrop
from agg2exp.preprocessing.display import Display, PercentileDisplay
from agg2exp.preprocessing.intensity import Percentile, Window, ZScore
from agg2exp.preprocessing.monai_preprocessing import MonaiPreprocessing
from agg2exp.preprocessing.nonzero import NonZero
from agg2exp.preprocessing.pad import Pad
from agg2exp.preprocessing.preprocessing import Preprocessing

PARTS: dict[str, list[Any]] = {
    "axes": ["RAS", "LPI", "native"],
    "spacing": [None, (1.0, 1.0, 1.0), (1.0, 1.0, 2.0)],
    "interpolation": ["linear", "nearest", "cubic"],
    "crop": [None, ForegroundCrop(), ForegroundCrop(0.0), ForegroundCrop(-500), ForegroundCrop(margin=1)],
    "intensity": [
        None,
        Window(0, 1),
        Window(0, 2),
        Window(-1, 1),
        ZScore(),
        ZScore(nonzero=True),
        Percentile(),
        Percentile(1),
        Percentile(high=99),
        [ScaleIntensity(0, 1)],
        [ScaleIntensity(0, 2)],
        [ScaleIntensity(0, 1), ScaleIntensity(0, 1)],
        [NormalizeIntensity(subtrahend=torch.tensor(2.0))],
        [NormalizeIntensity(subtrahend=torch.tensor(3.0))],
        [NormalizeIntensity(subtrahend=np.array([2.0]))],
        [torch.sqrt],
    ],
    "pad": [None, Pad((8, 8, 8)), Pad((8, 8, 9)), Pad(multiple=(8, 8, 8)), Pad((8, 8, 8), value=-1)],
    "body": [None, CtBody(), NonZero()],
    "display": [Display(0, 1), Display(0, 2), Display(-1, 1), Display(0, 1, "HU"), PercentileDisplay(),
                PercentileDisplay(2), PercentileDisplay(high=98)],
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_another_argument_is_another_description(name: str):
    told = [described(Preprocessing(**{name: value})) for value in PARTS[name]]
    assert all(one != other for one, other in combinations(told, 2))
    for value, words in zip(PARTS[name], told, strict=True):
        assert words == described(Preprocessing(**{name: value}))
        assert not any("0x" in word for word in words.values())
        assert {key for key in words if words[key] != told[0][key]} <= {name}


def test_every_part_and_every_argument_of_every_shipped_part_is_asked():
    assert {field.name for field in fields(Preprocessing)} == set(PARTS)
    shipped = {type(value) for values in PARTS.values() for value in values if is_dataclass(value)}
    for cls in shipped:
        made = [value for values in PARTS.values() for value in values if type(value) is cls]
        for field in fields(cls):
            assert len({repr(getattr(value, field.name)) for value in made}) > 1, f"{cls.__name__}.{field.name}"


def test_all_but_the_display_is_provenance():
    one = Preprocessing(display=Display(0, 1))
    assert provenance_of(one) == provenance_of(Preprocessing())
    assert all(provenance_of(one) != provenance_of(replace(one, **{name: values[1]}))
               for name, values in PARTS.items() if name != "display")  # fmt: skip
    assert set(provenance_of(one)) == {f"preprocessing: {name}" for name in {"class", *PARTS} - {"display"}}


def others() -> Iterator[MonaiPreprocessing]:
    for transforms in ([Spacing(1.0)], [Spacing(2.0)], [Resize((8, 8, 8))], [Resize((8, 8, 9))]):
        made = MonaiPreprocessing(transforms)
        yield from (made, replace(made, body=CtBody()), replace(made, display=Display(0, 1)))


def test_lists_of_monai_tell_theirs():
    told = [described(made) for made in others()]
    assert told == [described(made) for made in others()]
    assert all(one != other for one, other in combinations(told, 2))
