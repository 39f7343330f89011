"""Cost of RoI importance: against `values.abs().sum()` over the same array, and of E₀ in seconds.

    python experiments/performance/roi_statistics.py

Expected: everything except the distance profile in at most 3 x the time of `abs().sum()`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.aggregation.local_importance import local_importance
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.roi_importance import LocalImportance


def phantom(size: int, n_classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Label map (D, H, W) int16 of ellipsoids inside an ellipsoidal body (D, H, W) bool with air around."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.linspace(-1, 1, size)

    def ellipsoid(centre: Tensor, radii: Tensor) -> Tensor:
        d, h, w = ((axis - c) / r for c, r in zip(centre, radii, strict=True))
        return (d[:, None, None] ** 2 + h[:, None] ** 2 + w**2) < 1

    body = ellipsoid(torch.zeros(3), torch.tensor([0.75, 0.9, 1.2]))
    labels = torch.zeros(size, size, size, dtype=torch.int16)
    for c in range(1, n_classes):
        centre = (torch.rand(3, generator=generator) - 0.5) * torch.tensor([0.9, 1.1, 1.4])
        labels[ellipsoid(centre, 0.06 + 0.25 * torch.rand(3, generator=generator)) & body] = c
    return labels, body


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Wall time and processor time of the process."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Measure in interleaved pairs and report medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="voxels along each axis")
    parser.add_argument("--classes", type=int, default=17, help="classes, all explained")
    parser.add_argument("--spacing", type=float, default=1.5, help="millimetres")
    parser.add_argument("--pairs", type=int, default=7, help="measurements of each")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    labels, body = phantom(args.size, args.classes, args.seed)
    values = torch.empty(args.classes, 1, *labels.shape).normal_()
    attribution = DenseAttribution(values)
    names = tuple(f"class_{c}" for c in range(args.classes))
    grid = Grid(tuple(labels.shape), np.diag([args.spacing] * 3 + [1.0]))
    case = Case("phantom", torch.zeros(1, *labels.shape), grid, grid, body=body)
    masks, classes = ExclusiveMasks(labels, args.classes), tuple(range(args.classes))

    def regions() -> CaseRegions:
        return CaseRegions.of(case, masks, Labels(names))

    def statistics() -> LocalImportance:
        return local_importance(attribution, classes, regions())

    reference = partial(lambda v: v.abs().sum(), values)
    seconds(reference), seconds(statistics)  # the first of each also pays for memory
    times = np.array([[seconds(reference), seconds(statistics)] for _ in range(args.pairs)])  # (pairs, 2, wall | cpu)
    ratio = np.median(times[:, 1] / times[:, 0], axis=0)
    (ref_wall, ref_cpu), (wall, cpu) = np.median(times, axis=0)
    print(f"{args.size}³ x {args.classes} classes, {args.threads} threads, {args.pairs} interleaved pairs")
    print(f"abs().sum():        {ref_wall:.2f} s wall, {ref_cpu:.2f} s processor")
    print(f"local_importance:   {wall:.2f} s wall, {cpu:.2f} s processor")
    print(f"median ratio:       {ratio[0]:.2f} wall, {ratio[1]:.2f} processor (bar: 3)")
    wall, cpu = seconds(lambda: expected_by_distance(attribution, classes, regions()))
    print(f"expected_by_distance at {args.spacing} mm: {wall:.2f} s wall, {cpu:.2f} s processor")


if __name__ == "__main__":
    main()
