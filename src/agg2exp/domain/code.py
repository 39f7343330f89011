"""Which code an object runs: versions of what is released, digests of the source of what is not."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import numpy as np
from torch import Tensor

from agg2exp import __version__
from agg2exp.domain.array_digest import of_array

RECORDED = ("agg2exp", "torch", "monai", "captum", "lightning", "torchmetrics")
"""Packages whose versions are settings of their own where results depend on them."""
LIBRARIES = ("torch", "monai", "numpy", "scipy", "scikit-image", "nibabel")
"""What results depend on whatever is chosen."""
WITHOUT_RESULTS = ("analysis/", "api/", "cli/", "figures/", "report/", "run/distributed/")
"""Folders of agg2exp that show or move results, but compute none of those that a case keeps."""


@cache
def versions() -> dict[str, str]:
    """agg2exp, with a digest of its code since a checkout changes between versions, and its libraries."""
    root = Path(__file__).parents[1]
    places = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*.py"))}
    files = {place: path for place, path in places.items() if not place.startswith(WITHOUT_RESULTS)}
    code = _digest(*(f"{place} {_digest(path.read_bytes())}" for place, path in files.items()))
    return {"agg2exp": f"{__version__} (code {code})", **{name: version(name) for name in LIBRARIES}}


def code_of(*things: type | FunctionType) -> str:
    """What changes when the code of classes or functions changes; "" for that of Python and `RECORDED`.

    Seen are the methods as they are in memory, the files that define the classes and their bases, and all that these
    files import from files that are not installed; an installed package counts by its version. Not seen is what is
    imported under a computed name, read from a file, or called in another language, nor, of what was typed into a
    session, variables that are no plain values, tensors or arrays.
    """
    found: dict[str, str] = {}
    for thing in things:
        for part in thing.__mro__ if isinstance(thing, type) else (thing,):
            _add(part, found)
    return _digest(*(f"{name} {value}" for name, value in sorted(found.items()))) if found else ""


def _add(part: type | FunctionType, found: dict[str, str]) -> None:
    """Put into `found` what defines one class or function: modules by their digests, packages by their versions."""
    name = part.__module__ or ""
    top = name.partition(".")[0]
    if top in (*RECORDED, *sys.stdlib_module_names):
        return
    source = _source(name)
    if source is not None and _installed(source.path):
        found[top] = _version(top) or source.digest
        return
    found[f"{name}.{part.__qualname__}"] = _compiled(part)
    if source is not None:
        _follow(name, found)


class _Source(NamedTuple):
    """A module as it was when it was first asked for."""

    path: Path
    digest: str
    imports: tuple[str, ...]


_known: dict[str, tuple[object, _Source | None]] = {}


def _source(name: str) -> _Source | None:
    """Of a module, read once: a file that is edited later is not what runs, unless the module is loaded again."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    before, source = _known.get(name, (None, None))
    if name not in _known or (before is not None and spec is not None and before is not spec):
        source = _read(name)
        _known[name] = (spec, source)
    return source


def _read(name: str) -> _Source | None:
    module = sys.modules.get(name)
    origin = getattr(module, "__file__", None) if module is not None else _origin(name)
    if origin is None or not str(origin).endswith(".py") or not Path(origin).is_file():
        return None
    path = Path(origin)
    content = path.read_bytes()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return _Source(path, _digest(content), () if _installed(path) else tuple(_imports(content, package)))


def _origin(name: str) -> str | None:
    """File of a module that is not loaded; nothing is imported to find it."""
    path, spec = None, None
    parts = name.split(".")
    for i in range(len(parts)):
        full = ".".join(parts[: i + 1])
        finders = [finder.find_spec for finder in sys.meta_path if hasattr(finder, "find_spec")]
        spec = next((found for find in finders if (found := find(full, path)) is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec.origin if spec else None


def _imports(content: bytes, package: str) -> Iterator[str]:
    """Names of modules that a file imports anywhere in it, and of what it takes from them (which may be modules)."""
    try:
        tree = ast.parse(content)
    except SyntaxError:  # of another language, or edited since it was imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            try:
                name = importlib.util.resolve_name(relative, package) if node.level else relative
            except ImportError:  # beyond the top: it would fail when it runs
                continue
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names if alias.name != "*")


def _follow(name: str, found: dict[str, str]) -> None:
    """A module and those it imports that are neither installed nor recorded otherwise."""
    if name in found or name.partition(".")[0] in (*RECORDED, *sys.stdlib_module_names):
        return
    source = _source(name)
    if source is None or _installed(source.path):
        return
    found[name] = source.digest
    for imported in source.imports:
        _follow(imported, found)


def _installed(path: Path) -> bool:
    return not {"site-packages", "dist-packages"}.isdisjoint(path.parts)


@lru_cache
def _version(top: str) -> str | None:
    """Of the distribution that a package belongs to."""
    try:
        return next((f"{name} {version(name)}" for name in packages_distributions().get(top, ())), None)
    except PackageNotFoundError:
        return None


def _compiled(part: type | FunctionType) -> str:
    """A class or function as it is in memory: its methods, plain attributes, and the functions beside it that it names.

    This sees a class that was typed into a session, with the plain variables that it names, and a method that was
    replaced after its file was read.
    """
    members = vars(part) if isinstance(part, type) else {}
    plain = [f"{name}={value!r}" for name, value in members.items() if _is_plain(value) and not name.startswith("__")]
    todo = functions_of(part)
    seen: dict[FunctionType, str] = {}
    while todo:
        function = todo.pop(0)
        if function not in seen:
            named = {name: function.__globals__.get(name) for name in function.__code__.co_names}
            values = (function.__defaults__, function.__kwdefaults__, named if _source(part.__module__) is None else {})
            seen[function] = _digest(_of_code(function.__code__), *(_of_plain(value) for value in values))
            todo += [f for f in named.values() if isinstance(f, FunctionType) and f.__module__ == part.__module__]
    return _digest(*plain, *seen.values())


def functions_of(part: type | FunctionType) -> list[FunctionType]:
    """The functions that a class is made from: methods of every kind, and properties."""
    found: list[FunctionType] = []
    for value in vars(part).values() if isinstance(part, type) else (part,):
        parts = (value, *(getattr(value, name, None) for name in ("__func__", "fget", "fset", "func", "__wrapped__")))
        found += [f for f in parts if isinstance(f, FunctionType)]
    return found


def closed_over(function: FunctionType) -> list[object]:
    """What a function took from where it was made, as far as it is there yet."""
    found = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # empty
            found.append(cell.cell_contents)
    return found


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    return isinstance(value, str | int | float | None)


def _of_plain(value: object) -> str:
    """A plain value, tensor or array; of the values of a dict those that are one."""
    if isinstance(value, dict):
        return str([f"{name}: {words}" for name, inner in value.items() if (words := _of_plain(inner))])
    if isinstance(value, tuple):
        return str([_of_plain(inner) for inner in value])
    if isinstance(value, Tensor | np.ndarray):
        return of_array(value, repr)
    return repr(value) if value is not None and _is_plain(value) else ""


def _of_code(code: CodeType) -> str:
    return _digest(code.co_code, repr(code.co_names), *map(_of_constant, code.co_consts))


def _of_constant(constant: object) -> str:
    if isinstance(constant, CodeType):
        return _of_code(constant)
    return repr(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(f"{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
