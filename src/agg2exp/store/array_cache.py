"""Arrays that are expensive to compute, kept on disk between runs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from agg2exp.domain.errors import SettingError
from agg2exp.domain.provenance import Provenance
from agg2exp.store.atomic import atomic_write
from agg2exp.store.cache_folder import check_cache, claim_cache
from agg2exp.store.digests import arrays_digest

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]


class ArrayCache:
    """`<folder>/<kind>/<sha256 of the key>.safetensors`.

    An entry carries its whole key and a checksum of its arrays. One that is damaged, or that was made for another
    key, is computed anew, replaced and reported. Several processes may fill an entry at once: each computes it, and
    the last one stays. An entry that cannot be written is reported, and its arrays are used all the same.

    Args:
        folder: Where entries are kept; None keeps nothing.

    Raises:
        SettingError: The folder holds what somebody else made.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else Path(folder).expanduser()
        if self.folder is not None:
            check_cache(self.folder, "cache")

    def get(self, kind: str, key: Mapping[str, str], compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of `key`, read if they are there, else computed and kept.

        Args:
            kind: What they are, a name of a folder.
            key: All that they depend on.
            compute: Makes them.
        """
        if self.folder is None:
            return compute()
        path = self.folder / kind / f"{Provenance(key).digest()}.safetensors"
        if path.exists():
            try:
                return _read(path, key)
            except (OSError, SafetensorError, ValueError, KeyError) as error:
                log.warning("%s is not used, but computed anew: %s", path, error)
        arrays = compute()
        try:
            claim_cache(self.folder, "cache")
            with atomic_write(path) as temporary:
                temporary.write_bytes(_content(arrays, key))
        except (OSError, SettingError) as error:
            log.warning("%s cannot be kept for later runs: %s", path, error)
        return arrays


def _content(arrays: Arrays, key: Mapping[str, str]) -> bytes:
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(whole, metadata={"key": str(Provenance(key)), "checksum": arrays_digest(whole)})


def _read(path: Path, key: Mapping[str, str]) -> Arrays:
    content = path.read_bytes()
    arrays = load(content)
    length = int.from_bytes(content[:8], "little")  # safetensors: size of the JSON header, header, arrays
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    if metadata["key"] != str(Provenance(key)):
        raise ValueError(f"expected the key {Provenance(key)}, got {metadata['key']}")
    if metadata["checksum"] != arrays_digest(arrays):
        raise ValueError("its arrays are not those that were written")
    return arrays
