"""A run has its folder to itself: one file in it is the sign that the folder is ours, and its lock.

The lock is the kernel's (POSIX), so it ends with the process that holds it, however that ends, on every host that
mounts the folder. Where the file system has no locks, the process id and host in the file tell.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agg2exp.domain.errors import SettingError
from agg2exp.store.ownership import check_vacant_or_ours, link_out, remove

fcntl: Any = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None  # none on Windows

RUN = ".hydra/agg2exp.json"
SWEEP = ".agg2exp.json"
"""Names of the file in the folder of a run, and in that of a multirun, which only holds the folders of runs."""
SIZE = 1024  # bytes of the file; written over in place, which also a full disk allows
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
GROUP = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID", "SLURM_STEP_ID")
"""Variables that tell a process its rank, and that the processes of one run have in common."""
JOIN = 120  # seconds until rank 0 has claimed the folder; it imports a lot
OURS = "a run of this program"
TRACKER = "wandb"  # Weights & Biases links its logs


@dataclass(frozen=True)
class Holder:
    """Who runs, or ran last, in a folder.

    Attributes:
        process: Process id.
        host: Its machine.
        started: When, in UTC.
        group: What the ranks of the run have in common.
        ended: Whether it ended in order.
    """

    process: int
    host: str
    started: str
    group: str = ""
    ended: bool = False

    def is_alive(self) -> bool:
        """Whether the process may still run; of another host nobody here knows."""
        if self.ended:
            return False
        if self.host != socket.gethostname():
            return True
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


_held: dict[Path, tuple[int, Path]] = {}  # open files by folder: closing one would give up its lock


def rank(environment: Mapping[str, str] = os.environ) -> int:
    """Number of this process among those of one run."""
    return next((int(environment[name]) for name in RANKS if environment.get(name, "").isdecimal()), 0)


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
        locked = _lock(file)
        if not _is_at(file, path):  # a multirun has just ended and taken its file along
            raise SettingError(setting, str(folder), "a folder that no other run uses", f"One has just ended. {hint}")
        before = _holder(file)
        if locked is False or (locked is None and before is not None and before.is_alive()):
            raise SettingError(setting, str(folder), "a folder that no other run uses", f"{_told(before, path)} {hint}")
        _write(file, Holder(os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(" ", "seconds"), _group()))
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
                remove(path, lambda path: _read(path) is not None)
        before = _holder(file)
        if before is not None:
            _write(file, Holder(**{**asdict(before), "ended": True}))
        os.close(file)


def _join(folder: Path, setting: str, name: str) -> None:
    """Wait until rank 0 of this run has claimed the folder."""
    for _ in range(10 * JOIN):
        holder = _read(folder / name)
        ours = holder is not None and (holder.process == os.getppid() or (_group() and holder.group == _group()))
        if ours and holder is not None and not holder.ended:
            return
        time.sleep(0.1)
    raise SettingError(
        setting, str(folder), f"the folder of rank 0 of this run within {JOIN} s", "Give all ranks the same folder."
    )


def _group() -> str:
    values = [os.environ.get(name, "") for name in GROUP]
    return " ".join(values) if any(values) else ""


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file is still the one at its path."""
    return path.exists() and os.path.samestat(os.fstat(file), path.stat())


def _lock(file: int) -> bool | None:
    """Whether the lock is now ours; None where the system has none."""
    if fcntl is None:
        return None
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def _told(holder: Holder | None, path: Path) -> str:
    if holder is None:
        return "Another run has just begun in it."
    return (
        f"Process {holder.process} on {holder.host} has been running in it since {holder.started} UTC. "
        f"Wait for it or end it (if it is gone for certain, delete {path})."
    )


def _holder(file: int) -> Holder | None:
    return _parsed(os.pread(file, SIZE, 0))


def _read(path: Path) -> Holder | None:
    try:
        return _parsed(path.read_bytes())
    except OSError:
        return None


def _parsed(content: bytes) -> Holder | None:
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError):
        return None


def _write(file: int, holder: Holder) -> None:
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.pwrite(file, json.dumps(asdict(holder)).encode().ljust(SIZE - 1) + b"\n", 0)
