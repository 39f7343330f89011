"""The folder of a cache is ours by a tag, which also tells backup programs to pass it by (bford.info/cachedir)."""

from __future__ import annotations

import re
from pathlib import Path

from agg2exp.store.atomic import atomic_write
from agg2exp.store.ownership import check_vacant_or_ours, is_draft

TAG = "CACHEDIR.TAG"
TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by agg2exp; it can be deleted at any time.\n"
ENTRY = re.compile(r"labels/.+-[0-9a-f]{16}\.nii\.gz|[a-z_]+/[0-9a-f]{64}\.safetensors")
"""Names of what earlier versions kept, which wrote no tag."""


def is_cache(folder: Path) -> bool:
    """Whether it has our tag, or nothing in it but what earlier versions kept."""
    try:
        return (folder / TAG).read_text(encoding="utf-8") == TEXT
    except FileNotFoundError:
        files = (path for path in folder.rglob("*") if not path.is_dir() and not is_draft(path))
        return all(ENTRY.fullmatch(path.relative_to(folder).as_posix()) for path in files)
    except (OSError, UnicodeDecodeError):
        return False


def check_cache(folder: Path, setting: str) -> None:
    """Refuse a folder that holds what somebody else made; one that is no folder keeps nothing, which is told later.

    Raises:
        SettingError: It does; the message names `setting`.
    """
    if folder.is_dir():
        check_vacant_or_ours(folder, is_cache, setting, "a cache of agg2exp", "Choose another folder for the cache.")


def claim_cache(folder: Path, setting: str) -> None:
    """Make the folder and put the tag into it, before anything else is written there.

    Raises:
        SettingError: It holds what somebody else made.
        UnwritableError: It takes no files.
    """
    if (folder / TAG).is_file():
        return
    check_cache(folder, setting)
    with atomic_write(folder / TAG) as path:
        path.write_text(TEXT, encoding="utf-8")
