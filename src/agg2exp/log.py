"""Log lines and progress bars on one terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class _Above:
    """A stream whose text appears above the bars of a console, whole however long it is."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def write(self, text: str) -> None:
        if text:
            self.console.print(text, end="", markup=False, highlight=False, emoji=False, soft_wrap=True)

    def flush(self) -> None:
        self.console.file.flush()


@contextmanager
def logged_above(console: Console) -> Iterator[None]:
    """Print log lines through the console that shows bars, which would write over them.

    Where the console is no terminal no bars are shown, and nothing changes.
    """
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)
    ]
    streams = [handler.stream for handler in handlers]
    if not console.is_terminal:
        handlers, streams = [], []
    for handler in handlers:
        handler.setStream(_Above(console))
    try:
        yield
    finally:
        for handler, stream in zip(handlers, streams, strict=True):
            handler.setStream(stream)
