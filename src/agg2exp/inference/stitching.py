"""Stitched logits, one slab at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from agg2exp.domain.prediction import Prediction
from agg2exp.inference.sliding_window import WindowPlan


class SlabStitcher:
    """Adds up b_w · net(x[w]) and turns rows into predictions as soon as no later window reaches them.

    Keeps (L, d, H, W) logits for windows of d rows, never (L, D, H, W). Windows come in the plan's order.
    """

    def __init__(self, plan: WindowPlan, head: str) -> None:
        self.plan = plan
        self.head = head
        self._start = 0  # row of the padded volume at which the buffer begins
        self._buffer: Tensor | None = None
        self._slabs: list[Prediction] = []

    def add(self, index: int, logits: Tensor) -> None:
        """Add the logits (L, d, h, w) of window `index`."""
        window = self.plan.windows[index]
        if self._buffer is None:
            rows = (self.plan.settings.size[0], *self.plan.padded_shape[1:])
            self._buffer = torch.zeros(logits.shape[0], *rows, dtype=logits.dtype, device=logits.device)
        if window[0].start > self._start:
            self._flush(window[0].start)
        self._buffer[(slice(None), slice(None), *window[1:])] += logits * self.plan.blend(index)

    def _flush(self, start: int) -> None:
        """Finish the rows before `start`."""
        buffer = self._buffer
        if buffer is None:
            raise RuntimeError("no window was added")
        done = min(start - self._start, buffer.shape[1])
        self._slabs.append(Prediction.from_logits(buffer[:, :done], self.head))
        kept = buffer[:, done:].clone()
        buffer.zero_()
        buffer[:, : kept.shape[1]] = kept
        self._start = start

    def finish(self) -> Prediction:
        """The prediction of the whole volume, padding cut off."""
        self._flush(self.plan.padded_shape[0])
        return Prediction.join(self._slabs).crop(self.plan.interior)
