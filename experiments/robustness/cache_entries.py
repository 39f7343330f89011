"""Cache entries with damaged bytes: they are those that were written, or computed anew."""

from __future__ import annotations

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from fuzz import RECORDED
from mutations import cut, flipped, inserted, overwritten
from numpy.typing import NDArray

from agg2exp.store.array_cache import ArrayCache

KEY = {"weights": "abc", "case": "s1"}
ARRAYS = {"scores": np.random.default_rng(0).random((4, 3)), "labels": np.arange(6, dtype=np.int16)}
ANEW = {"scores": np.zeros(1)}


def mutant(random: np.random.Generator) -> bytes:
    """The entry with bytes changed, gone or added; one in ten as it was."""
    with TemporaryDirectory() as folder:
        ArrayCache(Path(folder)).get("scores", KEY, lambda: ARRAYS)
        content = _entry(Path(folder)).read_bytes()
    if random.random() < 0.1:
        return content
    return (flipped, cut, overwritten, inserted)[random.integers(4)](content, random)


def read(content: bytes, folder: Path) -> str | dict[str, NDArray[np.generic]]:
    """The arrays of the entry; `RECORDED` if they were computed anew."""
    logging.disable(logging.WARNING)
    try:
        cache = ArrayCache(folder / "cache")
        cache.get("scores", KEY, lambda: ANEW)
        _entry(folder / "cache").write_bytes(content)
        found = dict(cache.get("scores", KEY, lambda: ANEW))
    finally:
        logging.disable(logging.NOTSET)
    return RECORDED if found.keys() == ANEW.keys() else found


def is_right(content: bytes, arrays: dict[str, NDArray[np.generic]]) -> bool:
    """Whether they are those that were written."""
    return arrays.keys() == ARRAYS.keys() and all(
        value.dtype == ARRAYS[name].dtype and np.array_equal(value, ARRAYS[name]) for name, value in arrays.items()
    )


def _entry(folder: Path) -> Path:
    (path,) = (folder / "scores").glob("*.safetensors")
    return path
