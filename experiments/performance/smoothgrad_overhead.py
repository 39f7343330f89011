"""How much SmoothGrad costs beyond the network passes that it needs.

Both sides do the same window forwards and input-gradient backwards on one phantom and the shipped U-Net; the bare loop
does nothing else. Runs are interleaved in pairs, and the ratio of CPU times is taken pair by pair.

    python experiments/performance/smoothgrad_overhead.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from agg2exp.attribution import SmoothGrad
from agg2exp.cli.builders import explanation_module
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.segmentation_model import trained_model
from agg2exp.data.phantom import make_phantom
from agg2exp.domain.case import Grid
from agg2exp.domain.class_scores import ClassScores
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import WindowedModel
from agg2exp.inference.frozen import frozen


def bare(model: WindowedModel, image: Tensor, scores: ClassScores, n_samples: int) -> tuple[int, int]:
    """The passes alone: same windows, same batches, same classes."""
    plan = model.plan(image)
    roi, batch = model.windows.size, model.windows.batch
    classes = [c for c in scores.classes if bool((scores.layers[0].label_map == c).any())]
    forwards = backwards = 0
    with frozen(model.network):
        for start in range(0, n_samples * len(plan.windows), batch):
            n = min(batch, n_samples * len(plan.windows) - start)
            x = torch.rand(n, image.shape[0], *roi).requires_grad_()
            logits = model.network(x)
            forwards += n
            cotangent = torch.zeros_like(logits)
            for c in classes:
                cotangent[:, c] = 1
                torch.autograd.grad(logits, x, cotangent, retain_graph=c != classes[-1])
                cotangent[:, c] = 0
                backwards += n
    return forwards, backwards


def cpu_seconds(task: Callable[[], object]) -> float:
    """CPU time of one call, all threads together."""
    start = time.process_time()
    task()
    return time.process_time() - start


def main() -> None:
    """Print the ratio of each pair and their median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--weights", default="shipped:unet_phantom.safetensors")
    arguments = parser.parse_args()

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("explain", overrides=[f"model.weights={arguments.weights}"])
    trained = trained_model(config)
    module = explanation_module(config, trained)
    phantom = make_phantom(seed=7, index=1, spacing=(3.0, 3.0, 3.0))
    image, _ = trained.preprocessing.image(phantom.image[None], Grid(phantom.image.shape, phantom.affine))
    model = WindowedModel(module, trained.windows)
    scores = module.class_scores(model.predict(image))
    method = SmoothGrad(n_samples=arguments.samples)
    rng = KeyedRng(0, "case", "smoothgrad")

    def smooth() -> None:
        method.compute(model, image, scores, rng)

    before = model.passes
    smooth()
    used = (
        model.passes.window_forwards - before.window_forwards,
        model.passes.window_backwards - before.window_backwards,
    )
    needed = bare(model, image, scores, arguments.samples)
    print(f"windows {len(model.plan(image).windows)}, passes used {used}, passes of the bare loop {needed}")
    if used != needed:
        raise SystemExit("the passes differ, the comparison would be unfair")
    ratios = []
    for _ in range(arguments.pairs):
        ours = cpu_seconds(smooth)
        loop = cpu_seconds(lambda: bare(model, image, scores, arguments.samples))
        ratios.append(ours / loop)
        print(f"SmoothGrad {ours:.2f} s, bare passes {loop:.2f} s, ratio {ratios[-1]:.3f}")
    print(f"median ratio of CPU time {statistics.median(ratios):.3f} (bar: 1.15)")


if __name__ == "__main__":
    main()
