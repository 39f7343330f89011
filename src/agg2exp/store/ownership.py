"""What is ours: only into folders that agg2exp made is anything written, and nothing else is ever deleted.

Deletions go through `remove`, new folders through `check_vacant_or_ours`. Each kind of folder has its own sign, which
its owner knows: phantoms their description, runs a file that holds who runs in them, caches a tag.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from agg2exp.domain.errors import SettingError

DRAFT = ".writing-"
"""What the names of files and folders begin with until they are complete."""
SHOWN = 3  # entries of somebody else's folder that a message names

Sign = Callable[[Path], bool]


class NotOursError(RuntimeError):
    """Something was to be deleted that does not carry the sign of having been made here."""


def is_draft(path: Path) -> bool:
    """Whether it was never completed: nobody reads it, and whoever made it may delete it."""
    return path.name.startswith(DRAFT)


def remove(path: Path, is_ours: Sign) -> None:
    """Delete a file, or a folder with all that is in it; what is not there is no mistake.

    A link is deleted, not followed.

    Args:
        path: What to delete.
        is_ours: Says of `path` whether we made it.

    Raises:
        NotOursError: We did not.
        OSError: It cannot be deleted.
    """
    if not path.exists() and not path.is_symlink():
        return
    if not is_ours(path):
        raise NotOursError(f"{path} was not made by this program and is not deleted.")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_vacant_or_ours(folder: Path, is_ours: Sign, setting: str, ours: str, hint: str = "") -> None:
    """Refuse to write into a folder that holds what somebody else made.

    Args:
        folder: Where something is about to be written.
        is_ours: Says of a folder that is not empty whether we made it.
        setting: Which setting named it.
        ours: What is there if it is ours, in words.
        hint: What to do.

    Raises:
        SettingError: It is a file, cannot be looked into, or holds something and is not ours.
    """
    allowed = f"a folder that is new, empty, or holds {ours}"
    try:
        entries = sorted(path.name for path in folder.iterdir() if not is_draft(path)) if folder.is_dir() else []
        on_the_way = (path for path in (folder, *folder.parents) if path.exists() or path.is_symlink())
        blocked = next((path for path in on_the_way if not path.is_dir()), None)
    except OSError as error:
        raise SettingError(setting, str(folder), allowed, f"{error.strerror}: {error.filename}. {hint}") from error
    if blocked is not None:
        raise SettingError(setting, str(folder), allowed, f"{blocked} is no folder. {hint}".rstrip())
    if entries and not is_ours(folder):
        more = f" and {len(entries) - SHOWN} more" if len(entries) > SHOWN else ""
        there = f"It holds {', '.join(entries[:SHOWN])}{more}; nothing was changed."
        raise SettingError(setting, str(folder), allowed, f"{there} {hint}".rstrip())


def link_out(folder: Path, apart: str) -> Path | None:
    """The first link below a folder that leads out of it, through which we would write into what is not ours.

    Args:
        folder: The folder.
        apart: Name of the folders that somebody else fills, who links what is their own; they are not looked into.
    """
    root = Path(os.path.realpath(folder))
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                return path
        folders[:] = [name for name in folders if name != apart]
    return None
