"""A bar over the windows of a scan."""

from __future__ import annotations

from types import TracebackType

from rich.progress import Progress


class WindowBar:
    """Shows how far the network passes of a case are, while it is entered.

    Args:
        shown: False shows nothing.
    """

    def __init__(self, shown: bool = True) -> None:
        self._progress = Progress(disable=not shown, transient=True)
        self._task = self._progress.add_task("windows", total=None)

    def __enter__(self) -> WindowBar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, case_id: str, total: int) -> None:
        """A case starts; at most `total` windows will be evaluated."""
        self._progress.reset(self._task, total=total, description=case_id)

    def advance(self, windows: int) -> None:
        """So many windows more are done."""
        self._progress.advance(self._task, windows)
