"""What explaining all classes costs, against captum in a loop over the classes.

The captum way: captum's KernelShap, IntegratedGradients and NoiseTunnel(Saliency), class by class, of a function that
stitches with MONAI's differentiable `sliding_window_inference` and sums the logits of the class over its fixed mask.
Both sides have the same frozen U-Net (random weights), windows, window batch, masks and steps; captum gets one image at
a time, so that its network batches are as large as ours. The prediction, which both need once, is left out.

Three parts:
    counts  Network passes at the full number of samples. They do not depend on what the network computes, so a
            convolution of 1 x 1 x 1 stands in for it. Captum's KernelSHAP does the same for every class: it runs for
            one, and counts once per class.
    times   Interleaved pairs at a few steps. More steps take proportionally longer, so KernelSHAP's are extrapolated
            from its 20 coalitions; only the pattern cache saves more then.
    bare    CPU time of ours over that of a loop that does the same window forwards and backwards, in the same batches,
            and nothing else.

    python experiments/performance/captum_way.py
    python experiments/performance/captum_way.py --parts bare --channels 16 32 64 128 --size 64 --window 48
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from captum.attr import KernelShap as CaptumKernelShap
from captum.attr import NoiseTunnel, Saliency
from monai.inferers import sliding_window_inference
from monai.networks.nets import UNet
from scipy.spatial import KDTree
from torch import Tensor, nn

from agg2exp.attribution import Attributor, IntegratedGradients, SmoothGrad
from agg2exp.attribution.kernel_shap import KernelShap
from agg2exp.domain.class_scores import ClassScores
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.inference.frozen import frozen
from agg2exp.scores import SumScore
from agg2exp.supervoxels import Cubes

RNG = KeyedRng(0, "case", "performance")
NOISE = 0.1  # of the range of the image


def grey_regions(size: int, n_regions: int, seed: int = 0) -> Tensor:
    """Image (1, D, H, W) of cells around random points, each of its own grey c / n, c = 1..n, with a little noise."""
    generator = np.random.default_rng(seed)
    cells = KDTree(generator.uniform(0, size, (n_regions, 3)))
    plane = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij"), axis=-1).reshape(-1, 2)
    image = torch.empty(1, size, size, size)
    for d in range(size):  # plane by plane, which takes no memory worth counting
        nearest = cells.query(np.insert(plane, 0, d, axis=1))[1].reshape(size, size)
        image[0, d] = torch.from_numpy((nearest + 1) / n_regions + generator.normal(0, 0.1 / n_regions, nearest.shape))
    return image


class TinyUNet(nn.Module):
    """A U-Net with random weights whose last layer also sees the image, and names the nearest grey of `grey_regions`.

    With grey levels g_c, g_c x - g_c² / 2 is largest for the one nearest to x. Scaled so that neighbouring levels are 2
    apart it outweighs the random features, and every class is predicted in its own cell.
    """

    def __init__(self, channels: Sequence[int], n_classes: int, seed: int = 0) -> None:
        super().__init__()
        width = 8
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.body = UNet(3, 1, width, channels, [2] * (len(channels) - 1), num_res_units=1, norm="batch")
            self.head = nn.Conv3d(width + 1, n_classes, 1)
        levels = torch.arange(1, n_classes + 1) / n_classes
        with torch.no_grad():
            self.head.weight[:, -1] = 4 * n_classes**2 * levels[:, None, None, None]
            self.head.bias = nn.Parameter(-2 * n_classes**2 * levels.square())
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, L, d, h, w)."""
        logits: Tensor = self.head(torch.cat([self.body(x), x], dim=1))
        return logits


def check_all_present(labels: Tensor, n_classes: int) -> None:
    """Stop unless every class is predicted."""
    missing = (torch.bincount(labels.flatten().long(), minlength=n_classes) == 0).nonzero().flatten().tolist()
    if missing:
        raise SystemExit(f"classes {missing} are not predicted: take another size or other channels")


class Counted(nn.Module):
    """A network that notes each call: the windows in its batch and how often it was differentiated."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.calls: list[list[int]] = []

    def forward(self, x: Tensor) -> Tensor:
        """As the network."""
        call = [len(x), 0]
        self.calls.append(call)
        logits: Tensor = self.network(x)
        if logits.requires_grad:
            logits.register_hook(lambda _: call.__setitem__(1, call[1] + 1))  # type: ignore[no-untyped-call]
        return logits

    @property
    def passes(self) -> tuple[int, int]:
        """Window forwards, and (window, class) backwards."""
        return sum(n for n, _ in self.calls), sum(n * backwards for n, backwards in self.calls)


@dataclass(frozen=True, eq=False)
class Setting:
    """What both sides explain."""

    image: Tensor
    windows: SlidingWindow
    scores: ClassScores

    def ours(self, network: nn.Module, method: Attributor) -> WindowedModel:
        """All classes at once; the model tells how many evaluations an equal pattern made needless."""
        model = WindowedModel(network, self.windows)
        method.compute(model, self.image, self.scores, RNG)
        return model

    def stitched(self, network: nn.Module, c: int) -> Callable[[Tensor], Tensor]:
        """f̂_c of images (B, C, D, H, W) as captum wants it, (B,)."""
        roi, batch, overlap = self.windows.size, self.windows.batch, self.windows.overlap
        mask = self.scores.layers[0].label_map == c

        def score(images: Tensor) -> Tensor:
            logits = cast(Tensor, sliding_window_inference(images, roi, batch, network, overlap, self.windows.blending))
            total: Tensor = (logits[:, c] * mask).sum(dim=(1, 2, 3))
            return total

        return score

    def captum(self, network: nn.Module, explain: Captum, steps: int, classes: Sequence[int]) -> list[Tensor]:
        """One class after the other."""
        with frozen(network), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # captum's, on being called with one image
            return [explain(self.stitched(network, c), self.image.unsqueeze(0), steps) for c in classes]


Captum = Callable[[Callable[[Tensor], Tensor], Tensor, int], Tensor]
"""(f̂_c, image (1, C, D, H, W), steps) -> attribution of one class."""


@dataclass(frozen=True)
class Method:
    """One method on both sides, as functions of the number of steps."""

    name: str
    ours: Callable[[int], Attributor]
    captum: Captum
    full: int
    timed: int
    bar: float
    same_for_all_classes: bool = False


def kernel_shap(cubes: int, partition: Tensor, samples: int, timed: int) -> Method:
    """KernelSHAP on cubes with a baseline of zeros."""

    def captum(f: Callable[[Tensor], Tensor], image: Tensor, steps: int) -> Tensor:
        explainer = CaptumKernelShap(f)
        attribution: Tensor = explainer.attribute(image, feature_mask=partition[None, None], n_samples=steps)
        return attribution

    return Method(
        f"KernelSHAP, {int(partition.max()) + 1} cubes",
        lambda steps: KernelShap(supervoxels=Cubes(cubes), n_samples=steps),
        captum, samples, timed, bar=12, same_for_all_classes=True,
    )  # fmt: skip


def integrated_gradients(f: Callable[[Tensor], Tensor], image: Tensor, steps: int) -> Tensor:
    """Captum's, with our rule."""
    explainer = CaptumIntegratedGradients(f)
    attribution: Tensor = explainer.attribute(image, n_steps=steps, method="riemann_right", internal_batch_size=1)
    return attribution


def smoothgrad(f: Callable[[Tensor], Tensor], image: Tensor, steps: int) -> Tensor:
    """Captum's, with our noise level."""
    sigma = float(NOISE * (image.max() - image.min()))
    settings = {"nt_samples": steps, "nt_samples_batch_size": 1, "stdevs": sigma, "abs": False}
    attribution: Tensor = NoiseTunnel(Saliency(f)).attribute(image, **settings)
    return attribution


def bare(network: nn.Module, calls: Sequence[Sequence[int]], shape: Sequence[int]) -> None:
    """The passes alone: each call again, on the same number of windows, with as many backwards."""
    with frozen(network):
        for size, backwards in calls:
            x = torch.rand(size, *shape, requires_grad=backwards > 0)
            logits = network(x)
            cotangent = torch.zeros_like(logits)
            for k in range(backwards):
                cotangent[:, k] = 1
                torch.autograd.grad(logits, x, cotangent, retain_graph=k < backwards - 1)
                cotangent[:, k] = 0


def seconds(task: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU time of one call, all threads together."""
    wall, cpu = time.perf_counter(), time.process_time()
    task()
    return time.perf_counter() - wall, time.process_time() - cpu


def medians(pairs: int, ours: Callable[[], object], other: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Medians over interleaved pairs: [wall, CPU] of ours, and ratios of the other to ours, taken pair by pair."""
    times = np.array([[seconds(ours), seconds(other)] for _ in range(pairs)])
    return np.median(times[:, 0], axis=0).tolist(), np.median(times[:, 1] / times[:, 0], axis=0).tolist()


def counts(method: Method, setting: Setting, n_classes: int) -> None:
    """Print the passes of both sides."""
    stand_in = nn.Conv3d(setting.image.shape[0], n_classes, 1)
    classes = setting.scores.classes
    ours, captum = Counted(stand_in), Counted(stand_in)
    reused = setting.ours(ours, method.ours(method.full)).passes.reused
    setting.captum(captum, method.captum, method.full, classes[:1] if method.same_for_all_classes else classes)
    repeats = len(classes) if method.same_for_all_classes else 1
    (f, b), (captum_f, captum_b) = ours.passes, (n * repeats for n in captum.passes)
    backwards = f", backwards {captum_b} / {b} = {captum_b / b:.2f}" if b else ""
    cached = f", {100 * reused / (reused + f):.1f} % of the evaluations reused" if reused else ""
    print(f"{method.name}, n = {method.full}: forwards {captum_f} / {f} = {captum_f / f:.2f}{backwards}{cached}")


def times(method: Method, setting: Setting, network: nn.Module, pairs: int) -> None:
    """Print how many times longer captum takes."""
    n, classes = method.timed, setting.scores.classes
    (wall, cpu), (wall_ratio, cpu_ratio) = medians(
        pairs,
        lambda: setting.ours(network, method.ours(n)),
        lambda: setting.captum(network, method.captum, n, classes),
    )
    more = method.full / n
    print(
        f"{method.name}, n = {n}: ours {wall:.2f} s wall, {cpu:.2f} s CPU; captum / ours {wall_ratio:.2f} wall, "
        f"{cpu_ratio:.2f} CPU (bar: {method.bar:g}); extrapolated to n = {method.full}: ours {wall * more:.0f} s, "
        f"captum {wall * wall_ratio * more:.0f} s wall"
    )


def overhead(method: Method, setting: Setting, network: nn.Module, pairs: int) -> None:
    """Print the CPU time of ours over the passes alone."""
    counted = Counted(network)
    setting.ours(counted, method.ours(method.timed))
    shape = (setting.image.shape[0], *setting.windows.size)
    _, (wall, cpu) = medians(
        pairs,
        lambda: bare(network, counted.calls, shape),
        lambda: setting.ours(network, method.ours(method.timed)),
    )
    print(f"{method.name}, n = {method.timed}: ours / bare passes {wall:.3f} wall, {cpu:.3f} CPU (bar: 1.15)")


def check_agreement(setting: Setting, network: nn.Module) -> None:
    """Stop unless both sides explain the same function: integrated gradients are equal up to rounding."""
    model = WindowedModel(network, setting.windows)
    ours = IntegratedGradients(n_steps=2).compute(model, setting.image, setting.scores, RNG).values
    captum = torch.cat(setting.captum(network, integrated_gradients, 2, setting.scores.classes))
    error = float((ours - captum).norm() / captum.norm())
    print(f"integrated gradients of both sides differ by {error:.1e} (relative norm)")
    if error > 1e-4:
        raise SystemExit("the two sides explain different functions, the comparison would be unfair")


def main() -> None:
    """Print the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["counts", "times", "bare"], choices=["counts", "times", "bare"])
    parser.add_argument("--size", type=int, default=48, help="voxels along each axis of the volume")
    parser.add_argument("--window", type=int, default=32)
    parser.add_argument("--channels", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--classes", type=int, default=17)
    parser.add_argument("--samples", type=int, default=1000, help="coalitions counted")
    parser.add_argument("--coalitions", type=int, default=20, help="coalitions timed")
    parser.add_argument("--steps", type=int, default=20, help="steps of the other methods counted")
    parser.add_argument("--timed-steps", type=int, default=4, help="steps of the other methods timed")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="more make the times depend on what else runs")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    logging.getLogger("agg2exp").setLevel(logging.ERROR)  # too few coalitions and steps for good results are meant here

    image = grey_regions(args.size, args.classes)
    network = TinyUNet(args.channels, args.classes)
    windows = SlidingWindow((args.window,) * 3)
    prediction = WindowedModel(network, windows).predict(image)
    check_all_present(prediction.label_map, args.classes)
    setting = Setting(image, windows, SumScore()(prediction, tuple(range(args.classes))))
    methods = [
        *(
            kernel_shap(cubes, Cubes(cubes)(image, prediction.masks), args.samples, args.coalitions)
            for cubes in (64, 512)
        ),
        Method("IG", lambda n: IntegratedGradients(n_steps=n), integrated_gradients, args.steps, args.timed_steps, 1.5),
        Method("SmoothGrad", lambda n: SmoothGrad(n, NOISE), smoothgrad, args.steps, args.timed_steps, 1.5),
    ]
    n_windows = len(WindowedModel(network, windows).plan(image).windows)
    print(
        f"{args.classes} classes, {args.size}³ voxels, {n_windows} windows of {args.window}³, "
        f"U-Net {args.channels}, {args.threads} threads, {args.pairs} interleaved pairs"
    )
    check_agreement(setting, network)
    for method in methods:
        if "counts" in args.parts:
            counts(method, setting, args.classes)
        if "times" in args.parts:
            times(method, setting, network, args.pairs)
        if "bare" in args.parts:
            overhead(method, setting, network, args.pairs)


if __name__ == "__main__":
    main()
