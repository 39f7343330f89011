"""Random states of what cuts and augments patches, so that a training can go on as if it had not stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import Randomizable
from torch.utils.data import DataLoader


def random_state(loader: DataLoader[Any]) -> dict[str, Any]:
    """The order of the cases and each random transform of MONAI, as plain values.

    Transforms in worker processes start anew in each epoch, from a seed that the loader draws.
    """
    generators = [generator_state(transform.R.get_state()) for transform in _transforms(loader.dataset)]
    order = None if loader.generator is None else loader.generator.get_state()
    return {"order": order, "transforms": generators}


def set_random_state(loader: DataLoader[Any], state: Mapping[str, Any]) -> None:
    """Go on from what `random_state` returned for a loader that was made in the same way."""
    if loader.generator is not None and state["order"] is not None:
        loader.generator.set_state(state["order"])
    for transform, kept in zip(_transforms(loader.dataset), state["transforms"], strict=True):
        generator = np.random.RandomState()
        generator.set_state(numpy_state(kept))
        transform.R = generator


def generator_state(state: Any) -> list[Any]:
    """State of a generator of numpy's, in values that are loaded without pickle."""
    name, keys, *rest = state
    return [name, torch.from_numpy(keys.astype(np.int64)), *rest]


def numpy_state(state: list[Any]) -> tuple[Any, ...]:
    """What `generator_state` was made from."""
    name, keys, *rest = state
    return (name, keys.numpy().astype(np.uint32), *rest)


def _transforms(thing: object, seen: set[int] | None = None) -> Iterator[Randomizable]:
    """Every random transform inside an object, in the order of its attributes."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, Randomizable):
        yield thing
    if isinstance(thing, list | tuple):
        inside = list(thing)
    else:
        inside = list(vars(thing).values()) if type(thing).__module__.startswith("monai.") else []
    for part in inside:
        yield from _transforms(part, seen)
