"""Attribution of a few classes at a time, in less memory."""

from __future__ import annotations

from collections.abc import Callable

from agg2exp.domain.attribution import Attribution


def chunks(classes: tuple[int, ...], size: int | None) -> list[tuple[int, ...]]:
    """The classes in order, `size` of them at a time; None for all at once."""
    size = size or len(classes)
    return [classes[start : start + size] for start in range(0, len(classes), size)]


def in_chunks(parts: list[tuple[int, ...]], attribute: Callable[[tuple[int, ...]], Attribution]) -> Attribution:
    """The attribution of all classes, one part of them after another; they are put together in RAM.

    Args:
        parts: Classes by part.
        attribute: The attribution of the classes of a part.
    """
    first = attribute(parts[0])
    if len(parts) == 1:
        return first
    return first.to("cpu").joined((attribute(part).to("cpu") for part in parts[1:]), sum(map(len, parts)))
