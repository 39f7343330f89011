"""A network seen through sliding windows: predictions, scores of all classes, and their input gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from agg2exp.domain.class_scores import ClassScores, RecomputedScores, Scores
from agg2exp.domain.errors import check_choice
from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.prediction import Prediction
from agg2exp.inference.batches import batches, window_image_pairs
from agg2exp.inference.frozen import frozen
from agg2exp.inference.network_check import check_network
from agg2exp.inference.network_pass import check_differentiable, check_finite, logits_of
from agg2exp.inference.sliding_window import SlidingWindow, WindowPlan
from agg2exp.inference.stitching import SlabStitcher
from agg2exp.inference.window_weights import WindowWeights, n_bins, window_weights


class WindowedModel:
    """f(x) = Σ_w b_w · net(x[w]), evaluated and differentiated without ever holding its whole graph.

    As every score is ⟨weights, f(x)⟩ with fixed weights, the windows separate:
    f̂_c(x) = Σ_w ⟨b_w ⊙ weights_c[w], net(x[w])⟩ and ∇f̂_c = Σ_w pad_w(J_wᵀ [b_w ⊙ weights_c[w]]).
    One forward of a window serves all classes; a window without a voxel of an explained class is not evaluated;
    only one window batch's graph is alive at a time. Equals automatic differentiation through
    `monai.inferers.sliding_window_inference` up to rounding.

    Scores with recomputed masks take a prediction of the whole volume at each image first, and the masks from it.

    Args:
        network: (B, C, d, h, w) -> (B, L, d, h, w) logits, samples independent of each other.
        windows: Size, overlap, blending and batch of the windows.
        on_windows: Called with the number of windows that are done, evaluated or found needless (progress bars).
        accumulators: Where gradients of whole volumes are added up; the image's device by default.
        head: "softmax": classes exclude each other, L >= 2; "sigmoid": they may overlap, L >= 1.

    Attributes:
        passes: Network passes so far.
    """

    def __init__(
        self,
        network: nn.Module,
        windows: SlidingWindow,
        on_windows: Callable[[int], None] | None = None,
        accumulators: torch.device | None = None,
        head: str = "softmax",
    ) -> None:
        check_choice("head", head, ("softmax", "sigmoid"))
        self.network = network
        self.windows = windows
        self.on_windows = on_windows
        self.accumulators = accumulators
        self.head = head
        self.passes = PassCounts()
        self._plan: tuple[object, WindowPlan] | None = None
        self._weights_of: tuple[WindowPlan, ClassScores, dict[int, WindowWeights]] | None = None

    def through(self, network: nn.Module) -> WindowedModel:
        """Another network through the same windows, its passes counted by themselves."""
        return WindowedModel(network, self.windows, self.on_windows, self.accumulators, self.head)

    def plan(self, image: Tensor) -> WindowPlan:
        """Windows over an image (…, D, H, W); the last plan is kept."""
        key = (self.windows, tuple(image.shape[-3:]), image.dtype, image.device)
        if self._plan is None or self._plan[0] != key:
            self._plan = key, WindowPlan(*key)
        return self._plan[1]

    def check(self, image: Tensor) -> int:
        """Whether the network can be explained, on the window in the middle of an image (C, D, H, W).

        Returns:
            L, or 0 if the logits there are not finite. See `check_network`, whose passes are not counted.
        """
        plan = self.plan(image)
        middle = plan.windows[len(plan.windows) // 2]
        return check_network(self.network, plan.pad(image)[(slice(None), *middle)], self.windows, self.head)

    def zeros(self, image: Tensor, scores: Scores) -> Tensor:
        """Room for one value per class and voxel of an image (C, D, H, W): (K, C, D, H, W)."""
        device = self.accumulators or image.device
        return torch.zeros(len(scores.classes), *image.shape, dtype=image.dtype, device=device)

    def predict(self, image: Tensor) -> Prediction:
        """Where the classes are in an image (C, D, H, W), n_windows forwards (Eq. 1).

        Raises:
            NonFiniteLogitsError: The network returned NaN or infinity.
        """
        plan = self.plan(image)
        stitcher = SlabStitcher(plan, self.head)
        padded = plan.pad(image.unsqueeze(0))
        with frozen(self.network), torch.no_grad():
            for batch in batches([(w, 0) for w in range(len(plan.windows))], self.windows.batch):
                logits = self._forward(plan.cut(padded, batch))
                check_finite(logits, [plan.windows[w] for w, _ in batch])
                for (w, _), window_logits in zip(batch, logits, strict=True):
                    stitcher.add(w, window_logits)
        return stitcher.finish()

    def scores(self, images: Tensor, scores: Scores) -> Tensor:
        """f̂_c of B images (B, C, D, H, W) for all classes from one pass, (B, K) float64."""
        if isinstance(scores, RecomputedScores):
            return torch.stack([self._recomputed(image, scores) for image in images])
        plan, at = self.plan(images), self._weights(images, scores)
        padded = plan.pad(images)
        total = torch.zeros(images.shape[0], n_bins(scores), dtype=torch.float64, device=images.device)
        self._done((len(plan.windows) - len(at)) * images.shape[0])
        with frozen(self.network), torch.no_grad():
            for batch in batches(window_image_pairs(at, images.shape[0]), self.windows.batch):
                logits = self._forward(plan.cut(padded, batch))
                for (w, b), window_logits in zip(batch, logits, strict=True):
                    total[b] += at[w].score(window_logits, total.shape[1])
        return total[:, [c + 1 for c in scores.classes]]

    def coalition_scores(
        self, image: Tensor, baseline: Tensor, supervoxels: Tensor, members: Tensor, scores: Scores
    ) -> Tensor:
        """v_c(z) = f̂_c(x ⊙ z + x′ ⊙ (1 - z)) of N coalitions for all classes (Eq. 6), (N, K) float64.

        Coalitions that are equal inside a window share its evaluation. Padding belongs to no supervoxel.

        Args:
            image: x, (C, D, H, W).
            baseline: x′, (C, D, H, W).
            supervoxels: (D, H, W) int64 ids 0..S-1.
            members: z, (N, S) bool.
            scores: f̂_c.
        """
        if isinstance(scores, RecomputedScores):
            return torch.stack(
                [self._recomputed(torch.where(z[supervoxels], image, baseline), scores) for z in members]
            )
        plan, at = self.plan(image), self._weights(image, scores)
        ids = pad(supervoxels, plan.padding, value=-1)
        x, other = plan.pad(image), plan.pad(baseline)
        total = torch.zeros(len(members), n_bins(scores), dtype=torch.float64, device=image.device)
        self._done((len(plan.windows) - len(at)) * len(members))
        with frozen(self.network), torch.no_grad():
            for w, weights in at.items():
                window = (slice(None), *plan.windows[w])
                players, local = torch.unique(ids[plan.windows[w]], return_inverse=True)
                present = members[:, players.clamp(min=0)] | (players < 0)
                patterns, of = torch.unique(present, dim=0, return_inverse=True)
                values = torch.empty(len(patterns), total.shape[1], dtype=torch.float64, device=image.device)
                for start in range(0, len(patterns), self.windows.batch):
                    z = patterns[start : start + self.windows.batch][:, local].unsqueeze(1)
                    logits = self._forward(torch.where(z, x[window], other[window]))
                    for n, window_logits in enumerate(logits, start):
                        values[n] = weights.score(window_logits, total.shape[1])
                total += values[of]
                self.passes += PassCounts(reused=len(members) - len(patterns))
                self._done(len(members) - len(patterns))
        return total[:, [c + 1 for c in scores.classes]]

    def gradient(
        self, images: Tensor, scores: Scores, out: Tensor | None = None, weights: Sequence[float] | None = None
    ) -> Tensor:
        """Σ_b a_b ∇f̂_c(x_b) of B images for all classes, (K, C, D, H, W), added to `out` if given.

        Args:
            images: x_b, (B, C, D, H, W).
            scores: f̂_c.
            out: What is added to, (K, C, D, H, W).
            weights: a_b, B numbers; 1 by default.
        """
        weights = [1.0] * len(images) if weights is None else weights
        if isinstance(scores, RecomputedScores):
            total = self.zeros(images[0], scores) if out is None else out
            for image, weight in zip(images, weights, strict=True):
                _, fixed = self._masks_at(image, scores)
                self.gradient(image.unsqueeze(0), fixed, total, [weight])
            return total
        plan, at = self.plan(images), self._weights(images, scores)
        padded = plan.pad(images)
        subtracts = any(layer.runner_up is not None for layer in scores.layers)
        direct = out is not None and not any(plan.padding)
        total = out if out is not None and direct else self.zeros(padded[0], scores)
        self._done((len(plan.windows) - len(at)) * images.shape[0])
        with frozen(self.network), torch.enable_grad():
            for batch in batches(window_image_pairs(at, images.shape[0]), self.windows.batch):
                x = plan.cut(padded, batch).requires_grad_()
                logits = self._forward(x.clone())  # a network may change its input
                check_differentiable(logits)
                present = [k for k, c in enumerate(scores.classes) if any(c in at[w].classes for w, _ in batch)]
                cotangent = torch.zeros_like(logits)
                for k in present:
                    c = scores.classes[k]
                    for n, (w, _) in enumerate(batch):
                        at[w].fill(cotangent[n], c)
                    scale = self.windows.scale(cotangent)
                    weighted = cotangent if scale == 1 else cotangent * scale
                    (grads,) = torch.autograd.grad(logits, x, weighted, retain_graph=k != present[-1])
                    self.passes += PassCounts(window_backwards=len(batch))
                    for grad, (w, b) in zip(grads, batch, strict=True):
                        room = total[(k, slice(None), *plan.windows[w])]
                        room.add_(grad.to(room.device), alpha=weights[b] / scale)
                    cotangent.zero_() if subtracts else cotangent[:, c].zero_()
        if out is not None and direct:
            return out
        result = total[(slice(None), slice(None), *plan.interior)]
        return result if out is None else out.add_(result)

    def _recomputed(self, image: Tensor, scores: RecomputedScores) -> Tensor:
        """f̂_c with masks from the prediction at this image, (K,) float64; one pass unless the masks are others."""
        prediction, fixed = self._masks_at(image, scores)
        if not fixed.is_of(prediction):
            return self.scores(image.unsqueeze(0), fixed)[0]
        self._done(len(self.plan(image).windows))
        return fixed.value_at(prediction)

    def _masks_at(self, image: Tensor, scores: RecomputedScores) -> tuple[Prediction, ClassScores]:
        """Prediction and scores at an image; its windows are not done yet, so that each is reported once."""
        on_windows, self.on_windows = self.on_windows, None
        try:
            prediction = self.predict(image)
        finally:
            self.on_windows = on_windows
        return prediction, scores.at(prediction)

    def _forward(self, x: Tensor) -> Tensor:
        """One window batch through the network, counted and checked."""
        logits = logits_of(self.network, x, self.windows, self.head)
        self.passes += PassCounts(window_forwards=x.shape[0])
        self._done(x.shape[0])
        return logits

    def _done(self, windows: int) -> None:
        """Report windows as done."""
        if self.on_windows is not None and windows:
            self.on_windows(windows)

    def _weights(self, image: Tensor, scores: ClassScores) -> dict[int, WindowWeights]:
        """Of the windows that an explained class touches; those of the last scores are kept, with a copy of these."""
        plan = self.plan(image)
        scores.check_shape(plan.shape)
        kept = self._weights_of
        if kept is None or kept[0] is not plan or not kept[1].equals(scores):
            self._weights_of = kept = plan, scores.copy(), window_weights(plan, scores)
        return kept[2]
