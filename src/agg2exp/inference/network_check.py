"""Is the network a function of one window? Found on the first window, before a case is explained."""

from __future__ import annotations

import logging
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from agg2exp.inference.frozen import frozen
from agg2exp.inference.network_pass import NetworkError, logits_of
from agg2exp.inference.sliding_window import SlidingWindow

log = logging.getLogger(__name__)

PASSES = 6
"""Windows that the check evaluates, at most."""

_checked: WeakKeyDictionary[nn.Module, dict[object, int]] = WeakKeyDictionary()


def check_network(network: nn.Module, window: Tensor, windows: SlidingWindow, head: str = "softmax") -> int:
    """The number L of its label channels, once it is sure that f(x) depends on nothing but x.

    The window is evaluated alone, in a batch with another, and alone again; where windows come one at a time, the other
    is evaluated by itself, and the first four times again. The first and the last must agree to 100 roundings, and the
    one in a batch with them to the square root of one, as batches of other sizes round differently. (Relative root mean
    squares. Shipped U-Net, 64³: 0 and 3e-7.) The other window, which is noise, must have other logits, unless those of
    each class are the same at all voxels, as of a last layer of zeros. A window whose logits are not finite tells
    nothing of the network and is let pass. Of one network, windows of one shape are checked once, and again when its
    layers are others.

    Args:
        network: (B, C, d, h, w) -> (B, L, d, h, w) logits.
        window: x, (C, d, h, w).
        windows: Windows are checked in batches only if they are evaluated so.
        head: With "sigmoid" one channel will do.

    Raises:
        NetworkError: It cannot take the window, returns something else than logits, or is no function of one window.
    """
    layers = repr(network), tuple(p.shape for p in network.parameters())
    key = (windows, head, tuple(window.shape), window.dtype, window.device, layers)
    known = _checked.setdefault(network, {})
    if key not in known:
        n_classes = _checked_anew(network, window, windows, head)
        if n_classes is None:
            return 0
        known[key] = n_classes
    return known[key]


def _checked_anew(network: nn.Module, window: Tensor, windows: SlidingWindow, head: str) -> int | None:
    """L, or None if the logits are not finite."""
    x = window.unsqueeze(0)
    low, high = x.amin(), x.amax()
    noise = torch.rand(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(0)).to(x.device)
    other = low + (high - low if high > low else 1) * (2 * noise - 0.5)  # beyond the range of x at both ends
    with frozen(network), torch.no_grad():
        try:
            alone = logits_of(network, x.clone(), windows, head)
            if windows.batch > 1:
                both = logits_of(network, torch.cat([x, other]), windows, head)
                together, of_other = both[:1], both[1:]
            else:
                together, of_other = alone, logits_of(network, other, windows, head)
            times = 1 if windows.batch > 1 else 4  # dropout of 4 channels spares two passes alike once in 16
            again = [logits_of(network, x.clone(), windows, head) for _ in range(times)]
        except NetworkError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise NetworkError(_why(network, x, error)) from error
    log.info("the network was checked on one window (%d window passes, not counted)", PASSES)
    if not bool(alone.isfinite().all()):
        return None
    loose = _rounding(x, windows) ** 0.5
    tight = min(100 * torch.finfo(x.dtype).eps, loose)
    beside = _apart(alone, together)
    apart = max(_apart(alone, logits) for logits in again)
    if apart <= tight and beside > loose:  # rare dropout may have spared both
        with frozen(network), torch.no_grad():
            apart = max(_apart(alone, logits_of(network, x.clone(), windows, head)) for _ in range(8))
    if apart > tight:
        raise NetworkError(
            f"the network is no function: evaluated twice, the same window {tuple(x.shape)} gave logits that differ by "
            f"{apart:.2g} of their size. Look for dropout or noise that is on in evaluation mode "
            "(`F.dropout(x)` without `training=self.training`), and for state that changes from call to call."
        )
    if beside > loose:
        raise NetworkError(
            "the network lets the windows of a batch influence each other: alone and beside another window, "
            f"{tuple(x.shape)} gave logits that differ by {beside:.2g} of their size. Look for normalisation over the "
            "batch (BatchNorm in training mode, `F.batch_norm(..., training=True)`) and for sums over the first axis; "
            "or evaluate windows one at a time, model.windows.batch=1."
        )
    if torch.equal(of_other, together) and bool((together.amax((2, 3, 4)) > together.amin((2, 3, 4))).any()):
        raise NetworkError(
            f"the network does not look at its input: two different windows {tuple(x.shape)} gave the same logits. "
            "Look for logits that are kept from an earlier call, and for ReLU layers that are 0 everywhere."
        )
    return alone.shape[1]


def _apart(a: Tensor, b: Tensor) -> float:
    """‖a - b‖ / ‖a - mean a‖; infinite if b alone is not finite."""
    a, b = a.double(), b.double()
    size = float((a - a.mean()).norm()) or float(a.norm()) or 1.0
    apart = float((a - b).norm()) / size
    return apart if apart == apart else float("inf")


def _rounding(x: Tensor, windows: SlidingWindow) -> float:
    """Relative rounding error of one operation inside the network."""
    if windows.precision != "float32":
        return torch.finfo(getattr(torch, windows.precision)).eps
    tensor_float = x.is_cuda and x.dtype == torch.float32 and torch.backends.cudnn.allow_tf32
    return 2.0**-10 if tensor_float else torch.finfo(x.dtype).eps


def _why(network: nn.Module, x: Tensor, error: Exception) -> str:
    """What is wrong with a window (1, C, d, h, w) that the network cannot take."""
    said = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
    dtypes = {p.dtype for p in network.parameters() if p.is_floating_point()}
    if dtypes and x.dtype not in dtypes:
        wanted = " and ".join(sorted(map(str, dtypes)))
        return (
            f"the network's weights are {wanted}, the image is {x.dtype}: hand over image.to({wanted.split()[0]}), or "
            f"network.to({x.dtype}). ({said})"
        )
    channels = next((m.in_channels for m in network.modules() if isinstance(m, nn.Conv3d)), x.shape[1])
    if channels != x.shape[1] and "channels" in str(error):
        return f"the network takes images of {channels} channels, the image has {x.shape[1]}. ({said})"
    return (
        f"the network cannot take a window of shape {tuple(x.shape)}: {said}. If the size does not suit it (each edge "
        "divisible by its strides, say), set model.windows.size; in Python, hand over "
        "WindowedModel(network, SlidingWindow((D, H, W)))."
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device, or the machine itself, had no memory left for a tensor."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
