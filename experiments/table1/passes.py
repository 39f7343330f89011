"""How many full-volume forwards F and backwards B the benchmark of one case takes: estimated, and counted.

Runs every method of Table 1 with all metrics and the paper's sample counts on a toy network whose window is the whole
image, so that a window forward is a full-volume forward F and a (window, class) backward a B. The estimate is what
`agg2exp explain dry_run=true` prints; the count is that of the network itself.

    python experiments/table1/passes.py                  # paper's sample counts
    python experiments/table1/passes.py --cubes 250 --semantic 50
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from agg2exp.attribution import Attributor, IntegratedGradients, KernelShap, SmoothGrad, VanillaGradient
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.labels import Labels
from agg2exp.inference import SlidingWindow
from agg2exp.metrics import Complexity, Efficiency, EvaluationMetric, Faithfulness, Sensitivity
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.run.module import ExplanationModule
from agg2exp.scores import SumScore
from agg2exp.supervoxels import Cubes, Semantic

LABELS, EXPLAINED = 17, 7
EDGE = 17
PUBLISHED = (35_513, 1_148)  # F and B of the published code, read from it


class Toy(nn.Module):
    """Two convolutions with all classes in its prediction; counts the images it sees and the gradients taken."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.last = nn.Conv3d(1, 8, 3, padding=1), nn.Conv3d(8, LABELS, 3, padding=1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
        self.forwards = self.backwards = 0

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, d, h, w) -> (B, L, d, h, w)."""
        self.forwards += len(x)
        logits: Tensor = self.last(torch.tanh(self.first(x)))
        logits = logits + 9 * torch.eye(LABELS)[:, None, None, :]  # every class has its slice of the image
        if logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)


def metrics() -> Mapping[str, EvaluationMetric]:
    """Those of `metric=paper`, with the masks of the published benchmark; m fits the small image."""
    return {
        "faithfulness": Faithfulness(100, None, 0.1, mask_policy="recomputed"),
        "sensitivity": Sensitivity(),
        "complexity": Complexity(),
        "efficiency": Efficiency(),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cubes", type=int, default=1000, help="coalitions on 512 cubes")
    parser.add_argument("--semantic", type=int, default=200, help="coalitions on semantic supervoxels")
    arguments = parser.parse_args()
    methods: dict[str, Attributor] = {
        "vanilla_gradient": VanillaGradient(),
        "integrated_gradients": IntegratedGradients(),
        "smoothgrad": SmoothGrad(),
        "kernel_shap/cubes": KernelShap(Cubes(), n_samples=arguments.cubes),
        "kernel_shap/semantic": KernelShap(Semantic(), n_samples=arguments.semantic),
    }
    labels = Labels(tuple(f"c{k}" for k in range(LABELS)))
    image = 0.1 + torch.rand(1, EDGE, EDGE, EDGE, generator=torch.Generator().manual_seed(1))
    grid = Grid((EDGE, EDGE, EDGE), np.eye(4))
    totals = [0, 0, 0, 0]
    print(f"{'method':<22} estimated F      B   counted F      B")
    with tempfile.TemporaryDirectory() as cache:
        for name, method in methods.items():
            network = Toy()
            windows = SlidingWindow((EDGE, EDGE, EDGE), batch=8)
            module = ExplanationModule(
                SegmentationModel(network, labels, Preprocessing(), windows), method, SumScore(),
                classes=[f"c{k}" for k in range(EXPLAINED)], metrics=metrics(),
                cache=Path(cache), cache_predictions=True,
            )  # fmt: skip
            module.explain(Case("toy", image, grid, grid, fingerprint="toy"))
            cost = module.evaluator.cost
            row = [cost.image_evaluations(), cost.image_gradients() * EXPLAINED, network.forwards, network.backwards]
            totals = [a + b for a, b in zip(totals, row, strict=True)]
            print(f"{name:<22} {row[0]:>11,} {row[1]:>6,} {row[2]:>11,} {row[3]:>6,}")
    print(f"{'together':<22} {totals[0]:>11,} {totals[1]:>6,} {totals[2]:>11,} {totals[3]:>6,}")
    once = 1 + sum(metric.evaluations(EXPLAINED)[0] for metric in metrics().values())
    print(f"{'shared parts once':<22} {totals[0] - (len(methods) - 1) * once:>11,} {totals[1]:>6,}")
    print(f"{'the published code':<22} {PUBLISHED[0]:>11,} {PUBLISHED[1]:>6,}")
    print("Shared between methods: the prediction, and the perturbed scores of faithfulness and of the noisy Dice.")


if __name__ == "__main__":
    main()
