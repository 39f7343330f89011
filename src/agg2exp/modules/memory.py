"""What to do with less memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import psutil
import torch

SHARE = 0.5  # of the free memory that class maps may take; the rest is for the network and its graph


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


def room_for_classes(n_classes: int, class_bytes: int, device: torch.device) -> tuple[torch.device, int]:
    """Where the maps of all classes are added up, and how many classes at a time.

    On the GPU if the maps of all classes take at most half of its free memory, else in RAM, window by window; fewer
    classes at a time (each chunk with forwards of its own) only if half of the free RAM does not hold them either.
    """
    if device.type == "cuda" and n_classes * class_bytes <= SHARE * torch.cuda.mem_get_info(device)[0]:
        return device, n_classes
    fitting = int(SHARE * psutil.virtual_memory().available) // class_bytes
    return torch.device("cpu"), min(max(fitting, 1), n_classes)


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device, or the machine itself, had no memory left for a tensor."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
