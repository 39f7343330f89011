"""What to do with less memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Economy:
    """How a case is computed in less memory; anything but the default may differ from it in the last digits.

    Attributes:
        classes: Classes attributed at a time, each chunk with forwards of its own; None for all.
        batch: Windows evaluated at a time; None as configured.
    """

    classes: int | None = None
    batch: int | None = None

    def __str__(self) -> str:
        parts = [f"{n} {what} at a time" for n, what in ((self.classes, "classes"), (self.batch, "windows")) if n]
        return ", ".join(parts)


def economies(n_classes: int, batch: int) -> list[Economy]:
    """What to try one after another: first as configured, then fewer classes at a time, then fewer windows."""
    chunks = dict.fromkeys(n for n in (math.ceil(n_classes / 4), 1) if n < n_classes)
    least = 1 if n_classes > 1 else None
    steps = [Economy(), *(Economy(n) for n in chunks)]
    return [*steps, Economy(least, 1)] if batch > 1 else steps


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device, or the machine itself, had no memory left for a tensor."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
