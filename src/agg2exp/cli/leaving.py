"""What may leave this machine: the one place that decides what a tracker is told.

A value is told if it is known to be harmless, not unless it is known to be harmful: numbers, truth values, and words
that agg2exp itself has in its configuration files. Paths, ids, names of the user's own folders and files, and
whatever else a user can write, are none of these.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig

from agg2exp.cli.conf_dir import conf_dir

log = logging.getLogger(__name__)

IDS = ("case", "cases", "patient", "metadata")
"""Settings whose values are about patients, numbers too."""
DATED = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")
"""How the folders of runs are named where the user names none."""
PLACE = re.compile(r"(^|\W)[/\\~]|^\w:|\.\.|[/\\]$|\\")
NUMBER = re.compile(r"\d{1,4}")
OWN = "own"
"""In the place of a word that is the user's own."""


def is_harmless(text: str) -> bool:
    """Whether each word of a text is one of agg2exp's or a short number, and none of it looks like a path."""
    if PLACE.search(text):
        return False
    words = re.findall(r"\w+", DATED.sub("", text))
    return all(word in _words() or NUMBER.fullmatch(word) for word in words)


def told(text: str) -> str:
    """The text, or `own` if it is not known to be harmless."""
    return text if is_harmless(text) else OWN


def names_may_leave(names: Collection[str], runs: str | ListConfig | DictConfig) -> bool:
    """Whether the names of data sets may be told: those that the user gave them in `runs`, or harmless ones.

    They stand in tables and pictures, so that these stay here where a name does.
    """
    if isinstance(runs, DictConfig):
        return True
    own = sorted(name for name in names if not is_harmless(name))
    if own:
        log.warning(
            "tables and pictures are not logged and stay on this machine, since these names may be those of your own "
            "files: %s. Name the data sets: 'runs={first: <folder>, second: <folder>}'",
            ", ".join(own),
        )
    return not own


def harmless(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are known to be harmless, under keys that are."""
    known = {key: _harmless(value) for key, value in settings.items() if is_harmless(key) and key not in IDS}
    return {key: value for key, (value, kept) in known.items() if kept}


def _harmless(value: Any) -> tuple[Any, bool]:
    """A value, and whether it may leave; of a mapping what may, a list as a whole."""
    if isinstance(value, Mapping):
        kept = harmless({str(key): member for key, member in value.items()})
        return kept, bool(kept) or not value
    if isinstance(value, list | tuple):
        members = [_harmless(member) for member in value]
        return [member for member, _ in members], all(may for _, may in members)
    if isinstance(value, str):
        return value, is_harmless(value)
    return value, value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


@cache
def _words() -> frozenset[str]:
    """All words of the configuration files of agg2exp, but for those that are a user's own."""
    folder = conf_dir()
    texts = (path.read_text(encoding="utf-8") for path in _files(folder))
    return frozenset(word for text in texts for word in re.findall(r"\w+", text)) | {
        path.stem for path in _files(folder)
    }


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.yaml") if path.relative_to(folder).parts[0] != "local"]
