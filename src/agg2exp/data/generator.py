"""The role of what makes a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Generator(Protocol):
    """Something that writes the cases of a data set that are not there yet."""

    def missing(self) -> list[str]:
        """Ids of the cases to write."""

    def generate(self, advance: Callable[[str], None] | None = None) -> None:
        """Write them, calling `advance` after each."""
