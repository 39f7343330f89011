"""Who runs, or ran last, in a folder: the file in it that says so."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_SIZE = 1024  # bytes of the file; written over in place, which also a full disk allows


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


def holder_in(file: int) -> Holder | None:
    """Who an open file says; None if it says nothing that can be read."""
    return _parsed(os.pread(file, FILE_SIZE, 0))


def read_holder(path: Path) -> Holder | None:
    """Who the file at a path says; None if there is none, or nothing that can be read."""
    try:
        return _parsed(path.read_bytes())
    except OSError:
        return None


def _parsed(content: bytes) -> Holder | None:
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError):
        return None


def write_holder(file: int, holder: Holder) -> None:
    """Write into an open file, in place."""
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.pwrite(file, json.dumps(asdict(holder)).encode().ljust(FILE_SIZE - 1) + b"\n", 0)
