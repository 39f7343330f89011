"""What to do with less memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

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


def accumulator_device(n_classes: int, class_bytes: int, device: torch.device) -> torch.device:
    """Where the maps of all classes are added up: on the GPU if they take at most half of its free memory, else in RAM.

    In RAM each window's gradient is moved as soon as it is there, so that all classes still share their forwards.
    """
    if device.type == "cuda" and n_classes * class_bytes > SHARE * torch.cuda.mem_get_info(device)[0]:
        return torch.device("cpu")
    return device


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device, or the machine itself, had no memory left for a tensor."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
