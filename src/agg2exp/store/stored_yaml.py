"""YAML that a run left behind, read as data: nothing in it is resolved, looked up or called."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import yaml

from agg2exp.domain.errors import DataError

MOST_BYTES = 1 << 22
DEEPEST = 64
TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # C is there in PyPI's wheels
    """Mappings, lists, words, numbers; a date stays the word that it is."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_stored_yaml(path: Path) -> Any:
    """Mappings, lists, words, numbers and None of a YAML file; `${…}` and `_target_` are words like any other.

    Raises:
        DataError: There is no such file, it is no YAML, larger than 4 MiB, nested deeper than 64 levels, or has
            anchors (a few of which expand to gigabytes), tags or tabs, which files of agg2exp never have.
    """
    try:
        if not path.is_file():
            raise DataError(f"{path}: expected a YAML file, got none.")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise DataError(f"{path}: expected a YAML file of at most {MOST_BYTES} bytes, got more.")
        if b"\t" in content:
            raise DataError(f"{path}: expected YAML as agg2exp writes it, got a tab, which is read in two ways.")
        _check_events(path, content)
        return yaml.load(content, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, OSError, UnicodeError, ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: expected YAML as agg2exp writes it, got {_in_one_line(error)}") from error


def _check_events(path: Path, content: bytes) -> None:
    """Raise for what a few bytes of can fill the memory, or what names a type."""
    depth = 0
    for event in yaml.parse(content, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        problem = (
            "an anchor or alias" if getattr(event, "anchor", None) is not None
            else f"the tag {event.tag!r}" if getattr(event, "tag", None) is not None
            else f"more than {DEEPEST} levels" if depth > DEEPEST
            else ""
        )  # fmt: skip
        if problem:
            raise DataError(f"{path}: expected YAML as agg2exp writes it, got {problem}.")


def _in_one_line(error: Exception) -> str:
    return " ".join(f"{error or type(error).__name__}".split())
