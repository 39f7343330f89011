"""What a result depends on, as strings: the same string means the same result."""

from __future__ import annotations

import enum
import random
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import is_dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agg2exp.domain.array_digest import of_array, sha256_of
from agg2exp.domain.code import closed_over, code_of, functions_of
from agg2exp.domain.errors import SettingError
from agg2exp.domain.object_state import _slots, state_of
from agg2exp.domain.pickled import made_from

PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
LIKE_WORDS = ("None", "True", "False", "nan", "inf")
CACHED = type(lru_cache(len))
CONTAINERS = (dict, list, tuple, set, frozenset)
USED_UP = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random, torch.Generator, Iterator)
"""What is another after each use."""
REMEDY = (
    "Keep what makes it (its seed, its file) in its place, or under a name that begins with _, beside the arguments "
    "that it was made from."
)
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")


def described(thing: object, without: Collection[str] = ()) -> dict[str, str]:
    """The class of an object (and its code, if that is the user's) and its state, by name.

    The state is every public attribute; of a private one `_x` it is the value if the constructor has an argument `x`,
    and every private attribute counts where an argument (or `*args`, `**kwargs`) is found under neither name. Tensors
    and arrays count by their values, networks by their weights, modules and attributes, files (`Path`) by their
    content; paths that are plain text do not tell what is in the file.

    Args:
        thing: What is described.
        without: Names of attributes that are described elsewhere, or that nothing depends on.

    Raises:
        SettingError: A value tells itself apart by its place in memory alone.
    """
    return {"class": kind(type(thing)), **{n: _word(v) or text(v, n) for n, v in state_of(thing, without).items()}}


def _word(value: object) -> str:
    """A word as it is, without quotes, where nothing else is written like it; else ""."""
    return value if isinstance(value, str) and value.isidentifier() and value not in LIKE_WORDS else ""


def kind(cls: type) -> str:
    """Full name of a class, and a digest of its code unless it is recorded otherwise."""
    name, code = f"{cls.__module__}.{cls.__qualname__}", code_of(cls)
    if not code:
        return name
    inner = [f for base in cls.__mro__ if "<locals>" in base.__qualname__ for f in functions_of(base)]
    closed = [value for function in dict.fromkeys(inner) for value in closed_over(function)]
    taken = [value for value in closed if not isinstance(value, type)]  # a class closes over itself for super()
    return f"{name} (code {code}{', ' + text(taken, name) if taken else ''})"


def text(value: object, setting: str = "a setting", above: tuple[int, ...] = ()) -> str:
    """A value in words that are the same in each process and on each machine, and differ when the value does.

    Args:
        value: What is described.
        setting: Its name, for the error.
        above: Ids of the objects that it is part of.

    Raises:
        SettingError: The value tells itself apart by its place in memory alone.
    """
    if id(value) in above:
        return "…"
    inside = partial(text, setting=setting, above=(*above, id(value)))
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return repr(value.item())
    if isinstance(value, PLAIN):
        return str(value) if isinstance(value, torch.dtype | torch.device) else repr(value)
    if isinstance(value, Tensor | np.ndarray):
        return of_array(value, inside)
    if isinstance(value, Path):
        return f"file {sha256_of(value.read_bytes())}" if value.is_file() else repr(str(value))
    if isinstance(value, CONTAINERS) and type(value) not in CONTAINERS and code_of(type(value)):
        plain = next(cls for cls in CONTAINERS if isinstance(value, cls))
        return f"{kind(type(value))}({inside(plain(value))}, {inside(state_of(value))})"
    if isinstance(value, defaultdict) and value.default_factory is not None:
        return f"defaultdict({inside(value.default_factory)}, {inside(dict(value))})"
    if isinstance(value, Mapping):
        pairs = [(inside(k), inside(v)) for k, v in value.items()]
        return "{" + ", ".join(f"{k}: {v}" for k, v in sorted(pairs)) + "}"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(inside, value))) + "}"
    if isinstance(value, list | tuple):
        items = ", ".join(map(inside, value))
        return f"[{items}]" if isinstance(value, list) else f"({items}{',' if len(value) == 1 else ''})"
    if isinstance(value, nn.Module):
        return _of_network(value, inside)
    return _of_object(value, setting, inside)


def _of_network(network: nn.Module, inside: Any) -> str:
    """Its class, and a digest of weights, kinds of modules and their attributes.

    Attributes that cannot be described count by their class.
    """
    tensors = {**dict(network.named_buffers()), **network.state_dict()}  # not all buffers are stored
    parts = [f"{name} {inside(value)}" for name, value in tensors.items() if isinstance(value, Tensor)]
    for name, module in network.named_modules():
        own = {k: v for k, v in vars(module).items() if not k.startswith("_") and k != "training"}
        if code_of(type(module)):
            state = state_of(module, {*module._parameters, *module._buffers, *module._modules})
            own |= {k: v for k, v in state.items() if k != "training"}
        for attribute, value in sorted(own.items()):
            try:
                words = inside(value)
            except SettingError:
                words = kind(type(value))
            parts.append(f"{name}.{attribute}={words}")
        parts.append(f"{name}: {type(module).__qualname__}")
    return f"{kind(type(network))}({sha256_of(code_of_network(network).encode(), *(p.encode() for p in parts))})"


def code_of_network(network: nn.Module) -> str:
    """Of the classes of all its modules, their hooks and TorchScript; "" where all of it is recorded otherwise."""
    code = code_of(*dict.fromkeys(type(module) for module in network.modules()))
    scripts = [_of_script(m) for m in network.modules() if isinstance(m, torch.jit.ScriptModule)]
    hooks = [f"{name} {text(hook, 'a hook of the network')}" for name, m in network.named_modules()
             for of in (m._forward_pre_hooks, m._forward_hooks) for hook in of.values()]  # fmt: skip
    return sha256_of(*(part.encode() for part in (code, *scripts, *hooks))) if any((*scripts, *hooks)) else code


def _of_script(module: torch.jit.ScriptModule) -> str:
    """What `forward` does, its constants included; "" where there is none."""
    if not hasattr(module, "forward"):
        return ""
    code, constants = module.code_with_constants
    return f"{code} {text(constants.const_mapping)}"


def _of_object(value: object, setting: str, inside: Any) -> str:
    if isinstance(value, partial):
        return f"partial({inside(value.func)}, {inside(value.args)}, {inside(value.keywords)})"
    if isinstance(value, MethodType):
        return f"{inside(value.__self__)}.{value.__func__.__name__}"
    if isinstance(value, FunctionType):
        also = [part for part in (value.__defaults__, value.__kwdefaults__, closed_over(value)) if part]
        code = [f"code {code}"] if (code := code_of(value)) else []
        return f"{value.__module__}.{value.__qualname__}({', '.join([*code, *map(inside, also)])})"
    if isinstance(value, BuiltinFunctionType | np.ufunc):
        owner = getattr(value, "__self__", None)
        if not isinstance(owner, ModuleType | type | None):
            return f"{inside(owner)}.{value.__name__}"
        return f"{getattr(value, '__module__', None)}.{value.__name__}"
    if isinstance(value, type):
        return kind(value)
    if isinstance(value, CACHED):
        return f"cached({inside(value.__wrapped__)})"
    words = repr(value)
    if isinstance(value, USED_UP):
        raise SettingError(setting, words, "a value that stays as it is when it is used", REMEDY)
    parts = made_from(value)
    if parts is not None:
        return f"{kind(type(value))}({inside(parts)})"
    if hasattr(value, "__dict__") or is_dataclass(value) or _slots(type(value)):
        name = kind(type(value)) if code_of(type(value)) else type(value).__qualname__
        return f"{name}({', '.join(f'{k}={inside(v)}' for k, v in state_of(value).items())})"
    if ADDRESS.search(words):
        raise SettingError(
            setting,
            words,
            "a value that can be told from others when the run goes on: a number, text, tensor, array, file, or an "
            "object of a class with attributes",
            f"An address in memory says nothing. {REMEDY}",
        )
    return words
