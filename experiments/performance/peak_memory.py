"""Peak memory of one class's attribution: ours against the whole graph through MONAI's sliding window.

Each side runs in a process of its own, on the same image, mask and U-Net (random weights; by default of the shipped
model's channels), with two steps or samples; captum gets one at a time. Its memory is the highest resident memory that
the process ever had, less that before the first step and after a small gradient, which loads the libraries' code. glibc
is told to give freed blocks of 1 MB and more back at once, so that the number is what was needed, not what fragmented
(`--malloc default` leaves it as it is).

    python experiments/performance/peak_memory.py
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import resource
from collections.abc import Sequence

import psutil
import torch
from captum_way import Setting, TinyUNet, integrated_gradients, smoothgrad
from torch import Tensor

from agg2exp.attribution import IntegratedGradients, SmoothGrad
from agg2exp.domain.class_scores import ClassScores
from agg2exp.inference import SlidingWindow

STEPS = 2
EXPLAINED = 1
METHODS = {
    "integrated gradients": (IntegratedGradients(STEPS), integrated_gradients),
    "SmoothGrad": (SmoothGrad(STEPS), smoothgrad),
}


def slabs(size: int, n_classes: int) -> Tensor:
    """Labels (D, H, W): every class in every window."""
    stripe = torch.arange(size) % n_classes
    return stripe.to(torch.int16).expand(size, size, size).contiguous()


def measure(
    side: str, method: str, size: int, window: int, batch: int, channels: Sequence[int], n_classes: int
) -> float:
    """MiB that one side adds to this process."""
    logging.getLogger("agg2exp").setLevel(logging.ERROR)  # two steps are too few for good results, as is meant here
    labels = slabs(size, n_classes)
    image = (labels + 1).float().div(n_classes).unsqueeze(0)
    network = TinyUNet(channels, n_classes)
    warm = image[None, :, :32, :32, :32].clone().requires_grad_()
    torch.autograd.grad(network(warm).sum(), warm)
    scores = ClassScores.of((EXPLAINED,), labels, torch.ones(labels.shape))
    setting = Setting(image, SlidingWindow((window,) * 3, batch=batch), scores)
    ours, captum = METHODS[method]
    before = psutil.Process().memory_info().rss
    if side == "ours":
        setting.ours(network, ours)
    else:
        setting.captum(network, captum, STEPS, [EXPLAINED])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - float(before) / 2**20


def main() -> None:
    """Print the memory of both sides and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="voxels along each axis of the volume")
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--batch", type=int, default=2, help="windows at a time, on both sides")
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--classes", type=int, default=17, help="label channels; one is explained")
    parser.add_argument("--malloc", choices=["exact", "default"], default="exact")
    args = parser.parse_args()
    if args.malloc == "exact":
        os.environ["MALLOC_MMAP_THRESHOLD_"] = "1000000"  # read by the processes that are started

    print(
        f"{args.size}³ voxels, windows of {args.window}³ by {args.batch}, U-Net {args.channels}, {args.classes} classes"
    )
    context = multiprocessing.get_context("spawn")
    for method in METHODS:
        memory = {}
        for side in ("ours", "captum"):
            with context.Pool(1) as pool:
                settings = (side, method, args.size, args.window, args.batch, args.channels, args.classes)
                memory[side] = pool.apply(measure, settings)
        ratio = memory["captum"] / memory["ours"]
        print(
            f"{method}: ours {memory['ours']:.0f} MiB, captum through MONAI's sliding window "
            f"{memory['captum']:.0f} MiB, ratio {ratio:.1f} (bar: 5)"
        )


if __name__ == "__main__":
    main()
