"""The state of an object by name: what its constructor was given, and what a user can see."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Collection
from dataclasses import fields, is_dataclass
from functools import cached_property
from types import FunctionType
from typing import Any

from torch import nn

from agg2exp.domain.code import RECORDED, functions_of

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def state_of(thing: object, without: Collection[str] = ()) -> dict[str, Any]:
    """Name -> value of all that tells an object from others of its class."""
    members = {name: value for name, value in _members(thing).items() if name not in without}
    own = [field.name for field in fields(thing)] if is_dataclass(thing) else []
    computed = {n for cls in type(thing).__mro__ for n, v in vars(cls).items() if isinstance(v, cached_property)}
    state = {n: v for n, v in members.items() if n in own or not (n.startswith("_") or n in computed)}
    given = [name for name in (*arguments(type(thing)), *variadic(type(thing))) if name not in without]
    if all(name in state or f"_{name}" in members for name in given):
        return state | {f"_{name}": members[f"_{name}"] for name in given if f"_{name}" in members}
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
    """Names of the arguments of the constructors of a class and its bases, but for `variadic` ones."""
    return list(dict.fromkeys(p.name for base in cls.__mro__ for p in _parameters(base) if p.kind not in VARIADIC))


def variadic(cls: type) -> list[str]:
    """Names of `*args` and `**kwargs` of the constructors of a user's class and its bases."""
    own = [base for base in cls.__mro__ if base.__module__.partition(".")[0] not in RECORDED]
    return list(dict.fromkeys(p.name for base in own for p in _parameters(base) if p.kind in VARIADIC))


def assigned_in_use(cls: type) -> set[str]:
    """Attributes that methods of a user's class, other than its constructor, assign, such as counters."""
    own = [base for base in cls.__mro__ if base.__module__.partition(".")[0] not in RECORDED]
    methods = [f for base in own for f in functions_of(base) if f.__name__ != "__init__"]
    return {i.argval for f in methods for i in dis.get_instructions(f) if i.opname == "STORE_ATTR"}


def _parameters(cls: type) -> list[inspect.Parameter]:
    """Of the constructor that a class defines itself."""
    own = vars(cls).get("__init__")
    return list(inspect.signature(own).parameters.values())[1:] if isinstance(own, FunctionType) else []


def _slots(cls: type) -> list[str]:
    named = [vars(base).get("__slots__", ()) for base in cls.__mro__]
    words = [name for slots in named for name in ((slots,) if isinstance(slots, str) else slots)]
    return [name for name in words if name not in ("__dict__", "__weakref__")]
