"""Data sets that are made when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rich.progress import Progress

from agg2exp.log import logged_above


class Generator(Protocol):
    """Something that writes the cases of a data set that are not there yet."""

    def missing(self) -> list[str]:
        """Ids of the cases to write."""

    def generate(self, advance: Callable[[str], None] | None = None) -> None:
        """Write them, calling `advance` after each."""


def generate_missing(generator: Generator) -> None:
    """Write what is missing, with a progress bar if that is anything."""
    missing = generator.missing()
    if not missing:
        generator.generate()
        return
    with Progress() as progress, logged_above(progress.console):
        task = progress.add_task(f"Making {len(missing)} phantoms", total=len(missing))
        generator.generate(advance=lambda _: progress.advance(task))
