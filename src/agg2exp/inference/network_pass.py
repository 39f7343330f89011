"""One batch of windows through a network, and what a network must return."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from agg2exp.domain.errors import SettingError
from agg2exp.inference.sliding_window import Slices, SlidingWindow


class NonFiniteLogitsError(RuntimeError):
    """The network returned NaN or infinity."""


class NetworkError(SettingError):
    """The network cannot be explained as it is.

    Args:
        problem: What was expected, what came, and what to do.
    """

    def __init__(self, problem: str) -> None:
        ValueError.__init__(self, problem)
        self.setting = "model.network"


def logits_of(network: nn.Module, x: Tensor, windows: SlidingWindow, head: str = "softmax") -> Tensor:
    """Logits (B, L, d, h, w) of a window batch x (B, C, d, h, w), in its dtype; L = 1 needs a sigmoid head.

    Raises:
        NetworkError: The network returned something else.
    """
    with windows.autocast(x.device):
        output = network(x)
    if not isinstance(output, Tensor):
        raise NetworkError(
            f"the network must return one tensor of logits (B, L, D, H, W); it returned {_described(output)}. Let it "
            f"return its main output: a subclass with `def forward(self, x): return super().forward(x){_pick(output)}` "
            "keeps its weights."
        )
    least, channels = (2, "label channels (background first)") if head == "softmax" else (1, "channels, one per region")
    if output.ndim != 5 or len(output) != len(x) or output.shape[2:] != x.shape[2:] or output.shape[1] < least:
        one = output.ndim == 5 and output.shape[1] == 1
        hint = (
            " One channel is that of a sigmoid network: say `head: sigmoid` in its model YAML (in Python, "
            'head="sigmoid").'
            if one
            else " Wrap it, or set model.windows.size to a size that it keeps."
        )
        raise NetworkError(
            f"the network must map a window batch {tuple(x.shape)} to logits (B, L, D, H, W) of the same size "
            f"with L >= {least} {channels}; it returned {tuple(output.shape)}.{hint}"
        )
    if not output.is_floating_point():
        raise NetworkError(f"the network must return logits of floating point; it returned {output.dtype}.")
    return output.to(x.dtype)


def check_finite(logits: Tensor, windows: Sequence[Slices]) -> None:
    """Raise `NonFiniteLogitsError` if the logits (B, …) of a batch of windows are not all finite."""
    if not bool(logits.isfinite().all()):
        corners = [tuple(int(s.start) for s in window) for window in windows]
        raise NonFiniteLogitsError(
            f"the network returned NaN or infinity for the windows at {corners}; expected finite logits. "
            "Check the weights and the scan."
        )


def check_differentiable(logits: Tensor) -> None:
    """Raise `NetworkError` if logits do not remember how they came from the input."""
    if not logits.requires_grad:
        raise NetworkError(
            "the network's output has no gradient, which this method needs: look for torch.no_grad(), detach() or "
            "torch.inference_mode() in it or around the call."
        )


def _described(output: object) -> str:
    if isinstance(output, dict):
        return "a dict of " + ", ".join(map(repr, output))
    if isinstance(output, list | tuple):
        shapes = [str(tuple(o.shape)) if isinstance(o, Tensor) else type(o).__name__ for o in output]
        return f"a {type(output).__name__} of {', '.join(shapes) or 'nothing'}"
    return f"a {type(output).__name__}"


def _pick(output: object) -> str:
    if isinstance(output, dict):
        return f"[{next(iter(output), '...')!r}]"
    if isinstance(output, list | tuple):
        return "[0]"
    members = getattr(output, "__dict__", {})
    return next((f".{name}" for name, value in members.items() if isinstance(value, Tensor)), "...")
