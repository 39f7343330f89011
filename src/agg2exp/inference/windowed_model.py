"""A network seen through sliding windows: predictions, scores of all classes, and their input gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from agg2exp.domain.class_scores import ClassScores
from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.prediction import Prediction
from agg2exp.inference.frozen import frozen
from agg2exp.inference.sliding_window import SlidingWindow, WindowPlan
from agg2exp.inference.stitching import SlabStitcher


class NonFiniteLogitsError(RuntimeError):
    """The network returned NaN or infinity."""


@dataclass(frozen=True, eq=False)
class _Target:
    """Constants of the scores inside one window: class map (d, h, w), b_w ⊙ g, runner-up, classes with weight."""

    labels: Tensor
    weights: Tensor
    runner_up: Tensor | None
    classes: tuple[int, ...]


class WindowedModel:
    """f(x) = Σ_w b_w · net(x[w]), evaluated and differentiated without ever holding its whole graph.

    As every score is ⟨weights, f(x)⟩ with fixed weights, the windows separate:
    f̂_c(x) = Σ_w ⟨b_w ⊙ weights_c[w], net(x[w])⟩ and ∇f̂_c = Σ_w pad_w(J_wᵀ [b_w ⊙ weights_c[w]]).
    One forward of a window serves all classes; a window without a voxel of an explained class is not evaluated;
    only one window batch's graph is alive at a time. Equals automatic differentiation through
    `monai.inferers.sliding_window_inference` up to rounding.

    Args:
        network: (B, C, d, h, w) -> (B, L, d, h, w) logits, L >= 2, samples independent of each other.
        settings: Windows.
        on_forward: Called with the number of windows after each forward (progress bars).

    Attributes:
        forwards: Windows evaluated so far.
        backwards: (Window, class) pairs differentiated so far.
    """

    def __init__(
        self, network: nn.Module, settings: SlidingWindow, on_forward: Callable[[int], None] | None = None
    ) -> None:
        self.network = network
        self.settings = settings
        self.on_forward = on_forward
        self.forwards = 0
        self.backwards = 0
        self._plan: WindowPlan | None = None
        self._last: tuple[ClassScores, dict[int, _Target]] | None = None

    @property
    def passes(self) -> PassCounts:
        """Network passes so far."""
        return PassCounts(self.forwards, self.backwards)

    def plan(self, image: Tensor) -> WindowPlan:
        """Windows over an image (…, D, H, W); the last plan is kept."""
        shape = tuple(image.shape[-3:])
        if self._plan is None or self._plan.shape != shape:
            self._plan = WindowPlan(self.settings, shape, image.dtype, image.device)
        return self._plan

    def predict(self, image: Tensor) -> Prediction:
        """Predicted labels ŷ of an image (C, D, H, W), n_windows forwards (Eq. 1).

        Raises:
            NonFiniteLogitsError: The network returned NaN or infinity.
        """
        plan = self.plan(image)
        stitcher = SlabStitcher(plan)
        padded = self._pad(plan, image.unsqueeze(0))
        with frozen(self.network), torch.no_grad():
            for batch in _batches([(w, 0) for w in range(len(plan.windows))], self.settings.batch):
                logits = self._forward(self._cut(plan, padded, batch))
                if not bool(torch.isfinite(logits).all()):
                    corners = [tuple(int(s.start) for s in plan.windows[w]) for w, _ in batch]
                    raise NonFiniteLogitsError(
                        f"the network returned NaN or infinity for the windows at {corners}; expected finite logits. "
                        "Check the weights and the scan."
                    )
                for (w, _), window_logits in zip(batch, logits, strict=True):
                    stitcher.add(w, window_logits)
        return stitcher.finish()

    def scores(self, images: Tensor, scores: ClassScores) -> Tensor:
        """f̂_c of B images (B, C, D, H, W) for all classes from one pass, (B, K) float64."""
        plan = self.plan(images)
        targets = self._targets(plan, scores)
        padded = self._pad(plan, images)
        width = max(*scores.classes, int(scores.labels.max())) + 2
        total = torch.zeros(images.shape[0], width, dtype=torch.float64, device=images.device)
        with frozen(self.network), torch.no_grad():
            for batch in _batches(_pairs(targets, images.shape[0]), self.settings.batch):
                logits = self._forward(self._cut(plan, padded, batch))
                for (w, b), window_logits in zip(batch, logits, strict=True):
                    target = targets[w]
                    index = target.labels.long().unsqueeze(0)
                    value = window_logits.gather(0, index.clamp(min=0))
                    if target.runner_up is not None:
                        value = value - window_logits.gather(0, target.runner_up.long().unsqueeze(0))
                    summands = (value[0] * target.weights).double().flatten()
                    total[b] += torch.bincount(index.flatten() + 1, summands, minlength=width)
        return total[:, [c + 1 for c in scores.classes]]

    def gradient(self, images: Tensor, scores: ClassScores, out: Tensor | None = None) -> Tensor:
        """Σ_b ∇f̂_c(x_b) of B images (B, C, D, H, W) for all classes, (K, C, D, H, W), added to `out` if given."""
        plan = self.plan(images)
        targets = self._targets(plan, scores)
        padded = self._pad(plan, images)
        direct = out is not None and not any(plan.padding)
        shape = (len(scores.classes), images.shape[1], *plan.padded_shape)
        total = out if out is not None and direct else torch.zeros(shape, dtype=images.dtype, device=images.device)
        with frozen(self.network), torch.enable_grad():
            for batch in _batches(_pairs(targets, images.shape[0]), self.settings.batch):
                x = self._cut(plan, padded, batch).requires_grad_()
                logits = self._forward(x)
                present = [k for k, c in enumerate(scores.classes) if any(c in targets[w].classes for w, _ in batch)]
                cotangent = torch.zeros_like(logits)
                for k in present:
                    c = scores.classes[k]
                    for n, (w, _) in enumerate(batch):
                        _fill(cotangent[n], targets[w], c)
                    (grads,) = torch.autograd.grad(logits, x, cotangent, retain_graph=k != present[-1])
                    self.backwards += len(batch)
                    for grad, (w, _) in zip(grads, batch, strict=True):
                        total[(k, slice(None), *plan.windows[w])] += grad
                    cotangent.zero_() if scores.runner_up is not None else cotangent[:, c].zero_()
        if out is not None and direct:
            return out
        result = total[(slice(None), slice(None), *plan.interior)]
        return result if out is None else out.add_(result)

    def _forward(self, x: Tensor) -> Tensor:
        """One window batch through the network, counted and checked."""
        logits: Tensor = self.network(x)
        if logits.ndim != 5 or logits.shape[0] != x.shape[0] or logits.shape[2:] != x.shape[2:] or logits.shape[1] < 2:
            raise ValueError(
                f"the network must map a window batch {tuple(x.shape)} to logits (B, L, D, H, W) of the same size "
                f"with L >= 2 label channels (background first); it returned {tuple(logits.shape)}"
            )
        self.forwards += x.shape[0]
        if self.on_forward is not None:
            self.on_forward(x.shape[0])
        return logits

    def _pad(self, plan: WindowPlan, images: Tensor) -> Tensor:
        return pad(images, plan.padding, value=self.settings.pad_value)

    @staticmethod
    def _cut(plan: WindowPlan, padded: Tensor, batch: Sequence[tuple[int, int]]) -> Tensor:
        return torch.stack([padded[(b, slice(None), *plan.windows[w])] for w, b in batch])

    def _targets(self, plan: WindowPlan, scores: ClassScores) -> dict[int, _Target]:
        """Constants of the windows that an explained class touches; those of the last scores are kept."""
        if self._last is not None and self._last[0] is scores:
            return self._last[1]
        labels = pad(scores.labels, plan.padding, value=-1)
        weights = pad(scores.weights, plan.padding)
        runner_up = None if scores.runner_up is None else pad(scores.runner_up, plan.padding)
        wanted = set(scores.classes)
        targets = {}
        for w, window in enumerate(plan.windows):
            inside, share = labels[window], weights[window] * plan.blend(w)
            counts = torch.bincount((inside[share != 0].long() + 1).flatten()).tolist()
            classes = tuple(c for c in range(len(counts) - 1) if counts[c + 1] and c in wanted)
            if classes:
                targets[w] = _Target(inside, share, None if runner_up is None else runner_up[window], classes)
        self._last = (scores, targets)
        return targets


def _fill(cotangent: Tensor, target: _Target, c: int) -> None:
    """Write b_w ⊙ weights_c[w] into a zero cotangent (L, d, h, w)."""
    weight = torch.where(target.labels == c, target.weights, 0)
    cotangent[c] = weight
    if target.runner_up is not None:
        cotangent.scatter_add_(0, target.runner_up.long().unsqueeze(0), -weight.unsqueeze(0))


def _pairs(targets: dict[int, _Target], n_images: int) -> list[tuple[int, int]]:
    """(Window, image) pairs; windows with the same classes side by side, so that a batch wastes no backward."""
    order = sorted(targets, key=lambda w: (targets[w].classes, w))
    return [(w, b) for w in order for b in range(n_images)]


def _batches(pairs: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]
