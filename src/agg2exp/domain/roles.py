"""Roles that are one or two calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Notice = Callable[[str], None]
"""Told, in a sentence each, what had to be assumed in reading a file."""


class CaseProgress(Protocol):
    """Is told how far the network passes of a case are."""

    def begin(self, case_id: str, total: int) -> None:
        """A case starts; at most `total` windows will be evaluated."""

    def advance(self, windows: int) -> None:
        """So many windows more are done."""


class Silent:
    """Says nothing."""

    def begin(self, case_id: str, total: int) -> None:
        """Nothing."""

    def advance(self, windows: int) -> None:
        """Nothing."""
