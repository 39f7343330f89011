"""What a finished run was made with, read from its config.yaml and from what Hydra recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agg2exp.domain.errors import DataError, SettingError
from agg2exp.domain.labels import Labels
from agg2exp.store.stored_yaml import read_stored_yaml

FILES = ("data.layout", "data.merge", "data.extra_masks", "data.mask_threshold", "data.resample")
"""Which files of a case are read, extra masks among them, and how."""
GROUPS = ("data", "attribution", "supervoxels")
CHOICE = re.compile(r"\w[\w.+-]{0,79}(/\w[\w.+-]{0,79})*")
"""A name of a YAML file of a group, or of one in a folder of it."""


@dataclass(frozen=True)
class Choices:
    """What was chosen on the command line of a run.

    Attributes:
        data: Choice of the group `data`.
        attribution: Choice of the group `attribution`.
        supervoxels: Choice of the group `supervoxels`.
        overrides: All overrides, a word each.
    """

    data: str
    attribution: str
    supervoxels: str
    overrides: tuple[str, ...]


def read_choices(folder: Path) -> Choices:
    """What Hydra recorded of the command line of a run, as data.

    Raises:
        DataError: It is not readable, or a choice is no name of a choice.
    """
    path = folder / ".hydra" / "hydra.yaml"
    chosen = _at(read_stored_yaml(path), "hydra.runtime.choices")
    names = {group: _at(chosen, group) for group in GROUPS}
    for group, name in names.items():
        if not (isinstance(name, str) and CHOICE.fullmatch(name)):
            raise DataError(f"{path}: expected the name of a choice of {group}, got {str(name)[:100]!r}.")
    written = folder / ".hydra" / "overrides.yaml"
    words = read_stored_yaml(written) if written.is_file() else []
    if not isinstance(words, list):
        raise DataError(f"{written}: expected a list of overrides, got {type(words).__name__}.")
    return Choices(**names, overrides=tuple(map(str, words)))


def configuration(folder: Path) -> dict[str, Any]:
    """The configuration of a run, as data: `${…}` and `_target_` are words like any other.

    Raises:
        DataError: It is not there, not readable or not complete.
    """
    path = folder / "config.yaml"
    config: Any = read_stored_yaml(path) if path.is_file() else None
    if _at(config, "model.labels") is None or _at(config, "data.root") is None:
        raise DataError(f"expected the configuration of a run of agg2exp explain in {path}, got none.")
    return {str(key): value for key, value in config.items()}


def files_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes of a configuration that say which files of a case are read, by their dotted name."""
    return {name: _at(config, name) for name in FILES}


def labels_of(folder: Path, config: Mapping[str, Any]) -> Labels:
    """The classes of the model of a run.

    Raises:
        DataError: They are no list of names, or an earlier version wrote them; the message names the run.
    """
    labels = config["model"]["labels"]
    if isinstance(labels, Mapping):
        raise DataError(
            f"{folder / 'config.yaml'}: model.labels: expected a list of names, got what agg2exp {writer_of(folder)} "
            "wrote. Analyse the run with that version, or explain its cases again."
        )
    try:
        return Labels(labels, config["model"].get("head") or "softmax")
    except SettingError as error:
        raise DataError(f"{folder / 'config.yaml'}: model.{error}") from error


def writer_of(folder: Path) -> str:
    """The version of agg2exp that wrote a run, as its environment.json says."""
    path = folder / "environment.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["packages"]["agg2exp"])[:20]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "of an earlier version"


def _at(config: object, name: str) -> Any:
    """The node of a dotted name; None if there is none."""
    node = config
    for key in name.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node
