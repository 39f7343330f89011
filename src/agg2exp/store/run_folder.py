"""A run has its folder to itself: one file in it is the sign that the folder is ours, and its lock.

The lock is the kernel's (POSIX), so it ends with the process that holds it, however that ends, on every host that
mounts the folder. Where the file system has no locks, the process id and host in the file tell.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from agg2exp.domain.errors import SettingError
from agg2exp.store.file_lock import lock
from agg2exp.store.ownership import check_vacant_or_ours, link_out, remove
from agg2exp.store.rank import rank, run_group
from agg2exp.store.run_holder import Holder, holder_in, read_holder, write_holder

RUN = ".hydra/agg2exp.json"
SWEEP = ".agg2exp.json"
"""Names of the file in the folder of a run, and in that of a multirun, which only holds the folders of runs."""
JOIN = 120  # seconds until rank 0 has claimed the folder; it imports a lot
OURS = "a run of this program"
TRACKER = "wandb"  # Weights & Biases links its logs


_held: dict[Path, tuple[int, Path]] = {}  # open files by folder: closing one would give up its lock


def is_run(folder: Path) -> bool:
    """Whether a folder is one of a run or multirun, also of an earlier version."""
    if any((folder / name).is_file() for name in (RUN, SWEEP)):
        return True
    with suppress(OSError, UnicodeDecodeError):
        settings = folder / ".hydra" / "config.yaml"
        text = (settings if settings.is_file() else folder / "multirun.yaml").read_text(encoding="utf-8")
        return "agg2exp" in text.lower() and "${hydra:runtime.output_dir}" in text
    return _is_begun(folder)


def _is_begun(folder: Path) -> bool:
    """A claim that was cut off."""
    return [path.name for path in folder.iterdir()] == [".hydra"] and not any((folder / ".hydra").iterdir())


def claim(folder: Path, setting: str, name: str = RUN, made_just_now: bool = False) -> None:
    """Take a folder for this process until `release` or its end; the ranks of one run share it.

    Args:
        folder: New, empty, or of an earlier run.
        setting: Which setting named it.
        name: RUN or SWEEP.
        made_just_now: Whether it was made for this run, below a folder that is claimed.

    Raises:
        SettingError: It holds other things, a link leads out of it, or another run is in it.
        OSError: It cannot be written.
    """
    folder = folder.absolute()
    if folder in _held:
        return
    if rank() > 0:
        _join(folder, setting, name)
        return
    hint = f"Name a folder of its own by {setting}=<folder>."
    if not made_just_now:
        check_vacant_or_ours(folder, is_run, setting, OURS, hint)
        link = link_out(folder, apart=TRACKER)
        if link is not None:
            raise SettingError(
                setting,
                str(folder),
                "a run without links that lead out of its folder",
                f"{link} leads to {os.path.realpath(link)}; nothing was changed. Put what is there in the place of the "
                f"link, or move the whole folder. {hint}",
            )
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        locked = lock(file)
        if not _is_at(file, path):  # a multirun has just ended and taken its file along
            raise SettingError(setting, str(folder), "a folder that no other run uses", f"One has just ended. {hint}")
        before = holder_in(file)
        if locked is False or (locked is None and before is not None and before.is_alive()):
            raise SettingError(setting, str(folder), "a folder that no other run uses", f"{_told(before, path)} {hint}")
        write_holder(
            file, Holder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(" ", "seconds"), run_group())
        )
    except BaseException:
        os.close(file)
        raise
    _held[folder] = (file, path)


def release(folder: Path) -> None:
    """Give a folder back; without effect if this process does not hold it.

    A multirun that has ended is known by Hydra's `multirun.yaml`.
    """
    file, path = _held.pop(folder.absolute(), (None, None))
    if file is not None and path is not None:
        if path.name == SWEEP and (path.parent / "multirun.yaml").is_file():
            with suppress(OSError):
                remove(path, lambda path: read_holder(path) is not None)
        before = holder_in(file)
        if before is not None:
            write_holder(file, Holder(**{**asdict(before), "ended": True}))
        os.close(file)


def to_resume(folder: Path) -> Path:
    """The folder to name in `resume` so that a run goes on: its own, or that of the multirun that it is a job of."""
    sweeps = (held for held, (_, path) in _held.items() if path.name == SWEEP)
    return next((sweep for sweep in sweeps if folder.absolute().is_relative_to(sweep)), folder)


def _join(folder: Path, setting: str, name: str) -> None:
    """Wait until rank 0 of this run has claimed the folder."""
    for _ in range(10 * JOIN):
        holder = read_holder(folder / name)
        ours = holder is not None and (holder.process == os.getppid() or (run_group() and holder.group == run_group()))
        if ours and holder is not None and not holder.ended:
            return
        time.sleep(0.1)
    raise SettingError(
        setting, str(folder), f"the folder of rank 0 of this run within {JOIN} s", "Give all ranks the same folder."
    )


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file is still the one at its path."""
    return path.exists() and os.path.samestat(os.fstat(file), path.stat())


def _told(holder: Holder | None, path: Path) -> str:
    if holder is None:
        return "Another run has just begun in it."
    return (
        f"Process {holder.process} on {holder.host} has been running in it since {holder.started} UTC. "
        f"Wait for it or end it (if it is gone for certain, delete {path})."
    )
