"""Hydra's record of a run, from which reports take its method's name, is that of the command that made its cases.

Hydra writes it before a job begins, also for a command that is then refused.
"""

from __future__ import annotations

from pathlib import Path

from agg2exp.store.atomic import atomic_write
from agg2exp.store.rank import rank

PLACE = ".hydra"
NAMES = ("config.yaml", "hydra.yaml", "overrides.yaml")

_before: dict[Path, dict[str, bytes]] = {}


def remember(folder: Path) -> None:
    """Keep in mind what is recorded of a run, or of the runs below the folder of a multirun, before Hydra writes."""
    if rank() > 0 or not folder.is_dir():
        return
    for place in folder.absolute().rglob(PLACE):
        _before[place.parent] = {name: (place / name).read_bytes() for name in NAMES if (place / name).is_file()}


def accept(folder: Path) -> None:
    """The run goes on with the command that is recorded now."""
    _before.pop(folder.absolute(), None)


def restore(folder: Path) -> None:
    """Write again what was recorded, unless the command was accepted."""
    for name, content in _before.pop(folder.absolute(), {}).items():
        with atomic_write(folder / PLACE / name) as path:
            path.write_bytes(content)
