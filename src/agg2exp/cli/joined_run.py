"""What a run that was joined from shards says of itself: what its jobs said, but for the shard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from agg2exp.cli.run_settings import configuration
from agg2exp.domain.errors import DataError
from agg2exp.store.atomic import atomic_write
from agg2exp.store.stored_yaml import read_stored_yaml

OF_ONE_JOB = ("data.shard", "output=", "resume=", "hydra.run.dir=", "hydra.sweep.dir=")
"""Overrides of one job alone."""
COPIED = ("environment.json", ".hydra/hydra.yaml")


def shards_of(runs: Sequence[Path]) -> list[Path]:
    """The runs among the folders that a user names: each a run, or a multirun whose jobs are runs.

    Raises:
        DataError: One is neither.
    """
    found: list[Path] = []
    for folder in runs:
        jobs = sorted(
            (path.parent for path in folder.glob("*/config.yaml") if path.parent.name.isdecimal()), key=_number
        )
        own = [folder] if (folder / "config.yaml").is_file() else jobs
        if not own:
            raise DataError(f"runs: expected the folder of a run, or of a multirun, got {folder}.")
        found += own
    return list(dict.fromkeys(path.absolute() for path in found))


def describe_joined(shards: Sequence[Path], output: Path) -> None:
    """Write configuration and choices of the joined run: those of the first shard, which are those of all.

    Raises:
        DataError: They cannot be read.
    """
    first = shards[0]
    config = configuration(first)
    config["data"] = {**config["data"], "shard": None}
    config["paths"] = {**(config.get("paths") or {}), "output": str(output)}
    config |= {"output": str(output), "resume": None}
    _write(output / "config.yaml", config)
    overrides = first / ".hydra" / "overrides.yaml"
    if overrides.is_file():
        words = [str(word) for word in read_stored_yaml(overrides) or []]
        _write(output / ".hydra" / "overrides.yaml", [w for w in words if not w.lstrip("+").startswith(OF_ONE_JOB)])
    for name in COPIED:
        if (first / name).is_file():
            with atomic_write(output / name) as path:
                shutil.copyfile(first / name, path)


def absent_shards(shards: Sequence[Path]) -> list[str]:
    """The shards k/n of the data set that none of the runs is."""
    present = [str(configuration(folder)["data"].get("shard") or "") for folder in shards]
    numbers = [tuple(map(int, match.groups())) for match in (re.fullmatch(r"(\d+)/(\d+)", s) for s in present) if match]
    return [
        f"{k}/{n}"
        for n in dict.fromkeys(n for _, n in numbers)
        for k in range(1, n + 1)
        if (k, n) not in numbers
    ]  # fmt: skip


def _number(folder: Path) -> int:
    return int(folder.name)


def _write(path: Path, content: Any) -> None:
    with atomic_write(path) as part:
        part.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
