"""The state of an object by name: what its constructor was given, and what a user can see."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import fields, is_dataclass
from functools import cached_property
from types import FunctionType
from typing import Any

from torch import nn


def state_of(thing: object, without: Collection[str] = ()) -> dict[str, Any]:
    """Name -> value of all that tells an object from others of its class."""
    members = {name: value for name, value in _members(thing).items() if name not in without}
    own = [field.name for field in fields(thing)] if is_dataclass(thing) else []
    computed = {n for cls in type(thing).__mro__ for n, v in vars(cls).items() if isinstance(v, cached_property)}
    state = {n: v for n, v in members.items() if n in own or not (n.startswith("_") or n in computed)}
    hidden = [name for name in arguments(type(thing)) if name not in {*state, *without}]
    if all(f"_{name}" in members for name in hidden):
        return state | {f"_{name}": members[f"_{name}"] for name in hidden}
    return state | {name: value for name, value in members.items() if name.startswith("_")}


def _members(thing: object) -> dict[str, Any]:
    """All attributes; of a module of torch its tensors and modules by their names, and not what torch keeps beside."""
    members = {name: getattr(thing, name) for name in _slots(type(thing)) if hasattr(thing, name)}
    members |= vars(thing) if hasattr(thing, "__dict__") else {}
    if not isinstance(thing, nn.Module):
        return members
    kept = {name: value for name, value in members.items() if name not in vars(nn.Module())}
    return {**kept, **thing._parameters, **thing._buffers, **thing._modules}


def arguments(cls: type) -> list[str]:
    """Names of the arguments of the constructors of a class and its bases, as far as they are the user's."""
    found: dict[str, None] = {}
    for base in cls.__mro__:
        if isinstance(own := vars(base).get("__init__"), FunctionType):
            parameters = list(inspect.signature(own).parameters.values())[1:]
            found |= {p.name: None for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return list(found)


def _slots(cls: type) -> list[str]:
    named = [vars(base).get("__slots__", ()) for base in cls.__mro__]
    words = [name for slots in named for name in ((slots,) if isinstance(slots, str) else slots)]
    return [name for name in words if name not in ("__dict__", "__weakref__")]
