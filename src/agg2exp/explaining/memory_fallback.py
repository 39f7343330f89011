"""What to do with less memory."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from agg2exp.domain.case import Failure
from agg2exp.domain.errors import CaseError
from agg2exp.domain.explanation import Explanation
from agg2exp.inference import NetworkError
from agg2exp.inference.network_check import is_out_of_memory

log = logging.getLogger(__name__)

SHARE = 0.5  # of the free memory that class maps may take; the rest is for the network and its graph


@dataclass(frozen=True)
class MemoryFallback:
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


USUAL = MemoryFallback()
"""As configured."""


def memory_fallbacks(n_classes: int, batch: int) -> list[MemoryFallback]:
    """What to try one after another: first as configured, then fewer classes at a time, then fewer windows."""
    chunks = dict.fromkeys(n for n in (math.ceil(n_classes / 4), 1) if n < n_classes)
    least = 1 if n_classes > 1 else None
    steps = [MemoryFallback(), *(MemoryFallback(n) for n in chunks)]
    return [*steps, MemoryFallback(least, 1)] if batch > 1 else steps


def with_oom_fallback(
    case_id: str, ways: Sequence[MemoryFallback], explain: Callable[[MemoryFallback], Explanation]
) -> Explanation | Failure:
    """Explain a case in the first way that does not run out of memory; whatever else goes wrong ends it as a `Failure`.

    But for a network that cannot be explained: the other cases would fail alike, so that the run ends.

    Args:
        case_id: The case.
        ways: One at least.
        explain: Explains the case in one way.
    """
    for last, memory_fallback in enumerate(ways, start=1 - len(ways)):
        try:
            return explain(memory_fallback)
        except NetworkError:
            raise
        except Exception as error:  # noqa: BLE001 - recorded with its traceback, and the exit code tells
            if last == 0 or not is_out_of_memory(error):
                message = (
                    str(error)
                    if isinstance(error, CaseError)
                    else f"case {case_id}: {str(error) or type(error).__name__}"
                )
                return Failure(case_id, "explaining", message, traceback.format_exc())
        torch.cuda.empty_cache()
        log.warning("case %s: out of memory, tried again with %s", case_id, ways[last + len(ways)])
    raise ValueError("expected one way to explain a case or more, got none")


def accumulator_device(n_classes: int, class_bytes: int, device: torch.device) -> torch.device:
    """Where the maps of all classes are added up: on the GPU if they take at most half of its free memory, else in RAM.

    In RAM each window's gradient is moved as soon as it is there, so that all classes still share their forwards.
    """
    if device.type == "cuda" and n_classes * class_bytes > SHARE * torch.cuda.mem_get_info(device)[0]:
        return torch.device("cpu")
    return device


def synchronize(device: torch.device) -> None:
    """Wait for the GPU, so that the time measured is the time taken."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
