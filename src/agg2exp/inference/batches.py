"""Which windows of which images go through the network together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agg2exp.inference.window_weights import WindowWeights

Pair = tuple[int, int]
"""Window, image."""


def window_image_pairs(at: Mapping[int, WindowWeights], n_images: int) -> list[Pair]:
    """All (window, image); windows with the same classes side by side, so that a batch wastes no backward."""
    order = sorted(at, key=lambda w: (at[w].classes, w))
    return [(w, b) for w in order for b in range(n_images)]


def batches(pairs: list[Pair], size: int) -> Iterator[list[Pair]]:
    """The pairs in order, `size` of them at a time."""
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]
