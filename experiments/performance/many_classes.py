"""Peak memory of a whole body: 117 classes on a 256³ volume, vanilla gradient and local RoI importance.

A tiny U-Net predicts all classes, each in a region of its own. Printed is the highest resident memory that the process
ever had, imports included.

    python experiments/performance/many_classes.py
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from captum_way import TinyUNet, check_all_present, grey_regions

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.aggregation.local_importance import local_importance
from agg2exp.attribution import VanillaGradient
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.roi_importance import Kind
from agg2exp.inference import SlidingWindow
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.run.module import ExplanationModule
from agg2exp.scores import SumScore


def peak() -> float:
    """GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Print the peak after each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="voxels along each axis of the volume")
    parser.add_argument("--window", type=int, default=96)
    parser.add_argument("--channels", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--classes", type=int, default=117)
    args = parser.parse_args()

    image = grey_regions(args.size, args.classes)
    network = TinyUNet(args.channels, args.classes)
    labels = Labels(tuple(f"class_{c}" for c in range(args.classes)))
    model = SegmentationModel(network, labels, Preprocessing(), SlidingWindow((args.window,) * 3))
    module = ExplanationModule(model, VanillaGradient(), SumScore())
    grid = Grid((args.size,) * 3, np.diag([1.5, 1.5, 1.5, 1.0]))
    print(f"{args.classes} classes, {args.size}³ voxels: set-up {peak():.1f} GiB", flush=True)

    case = Case("case", image, grid, grid)
    explanation = module.explain(case)
    predicted, passes = explanation.prediction.label_map, explanation.passes
    check_all_present(predicted, args.classes)
    print(
        f"explained in {explanation.seconds:.0f} s with {passes.window_forwards} window forwards and "
        f"{passes.window_backwards} backwards: {peak():.1f} GiB",
        flush=True,
    )
    start = time.perf_counter()
    regions = CaseRegions.of(case, ExclusiveMasks(predicted, args.classes), labels)
    local = local_importance(explanation.attribution, explanation.classes, regions)
    shares = local.values[Kind.IMPORTANCE].sum(axis=1)
    if not np.allclose(shares, 1, atol=1e-4):
        raise SystemExit(f"the shares of a class add up to {shares.min()} .. {shares.max()}, not 1")
    print(f"{len(local.targets)} x {len(local.sources)} RoI importances in {time.perf_counter() - start:.0f} s")
    print(f"peak of the process: {peak():.1f} GiB (bar: 16)")


if __name__ == "__main__":
    main()
