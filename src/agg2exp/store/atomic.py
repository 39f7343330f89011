"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agg2exp.store.ownership import DRAFT, is_draft, remove

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


class UnwritableError(OSError):
    """A folder takes no more files: its disk is full, it is read-only, or it belongs to someone else."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; it takes the place of `path` when the block ends well, and goes otherwise.

    Several processes may write the same path at once: each writes its own sibling, the last one stays.
    The sibling keeps the endings of `path`, since writers choose the format by them. Permissions are those that the
    user's umask gives to new files.

    Raises:
        UnwritableError: The folder of `path` takes no more files.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{DRAFT}{uuid.uuid4().hex}{''.join(path.suffixes[-2:])}")
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            yield temporary
            temporary.replace(path)
        finally:
            remove(temporary, is_draft)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise UnwritableError(error.errno, f"{path.parent} cannot be written: {os.strerror(error.errno)}") from error
