"""What the window engine computes, straight from the definitions: the whole volume at once, one class at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from agg2exp.domain.class_scores import ClassScores
from agg2exp.inference import SlidingWindow
from agg2exp.scores import MarginScore, MeanScore, MedianScore, ProbabilityScore, Score, SumScore


def stitched_logits(network: nn.Module, image: Tensor, settings: SlidingWindow) -> Tensor:
    """f(x) (L, D, H, W) by MONAI's own sliding window, differentiable."""
    return sliding_window_inference(
        image.unsqueeze(0),
        settings.size,
        settings.batch,
        network,
        overlap=settings.overlap,
        mode=settings.blending,
        cval=settings.pad,
    )[0]


def score_of(logits: Tensor, scores: ClassScores, c: int) -> Tensor:
    """f̂_c from stitched logits and constants."""
    total = logits.new_zeros(())
    for layer in scores.layers:
        value = logits[c]
        if layer.runner_up is not None:
            value = value - logits.gather(0, layer.runner_up.long()[None])[0]
        total = total + (value * layer.weights)[layer.label_map == c].sum()
    return total


def _margin(logits: Tensor, mask: Tensor, c: int) -> Tensor:
    others = logits.clone()
    others[c] = -torch.inf
    return (logits[c] - others.amax(0))[mask].sum()


def _probability(logits: Tensor, mask: Tensor, c: int) -> Tensor:
    p = logits.detach().softmax(0)[c][mask]
    return (logits[c][mask] * p).sum() / p.sum()


LITERAL: dict[type[Score], Callable[[Tensor, Tensor, int], Tensor]] = {
    SumScore: lambda logits, mask, c: logits[c][mask].sum(),
    MeanScore: lambda logits, mask, c: logits[c][mask].mean(),
    MedianScore: lambda logits, mask, c: logits[c][mask].median(),  # torch takes the lower of two, too
    ProbabilityScore: _probability,
    MarginScore: _margin,
}


def literal_score(score: Score, logits: Tensor, c: int) -> Tensor:
    """f̂_c with the mask of the logits themselves (Eq. 2 read literally); an absent class scores 0."""
    mask = logits.argmax(0) == c
    return LITERAL[type(score)](logits, mask, c) if mask.any() else logits.sum() * 0


def _sigmoid_probability(logits: Tensor, mask: Tensor, c: int) -> Tensor:
    p = logits.detach().sigmoid()[c][mask]
    return (logits[c][mask] * p).sum() / p.sum()


OF_REGIONS = {
    **LITERAL,
    ProbabilityScore: _sigmoid_probability,
    MarginScore: lambda logits, mask, c: (logits[c] - 0)[mask].sum(),  # against its complement, whose logit is 0
}


def literal_region_score(score: Score, logits: Tensor, c: int) -> Tensor:
    """f̂_c of a region that may overlap others, σ(f_c) > 0.5; an absent one scores 0."""
    mask = logits[c].sigmoid() > 0.5
    return OF_REGIONS[type(score)](logits, mask, c) if mask.any() else logits.sum() * 0


def relative(a: Tensor, b: Tensor) -> float:
    """‖a - b‖ / ‖b‖; 0 where both are zero."""
    a, b = a.detach(), b.detach()
    return float((a - b).norm() / b.norm().clamp(min=torch.finfo(b.dtype).tiny))
