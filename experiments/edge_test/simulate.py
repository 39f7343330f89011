"""Does the edge test call edges of untrained networks learned? False positives on two nulls, power on a planted edge.

Random convolutional networks explain six drawn structures in 60 drawn patients by their gradients; in the second null
the attribution is the mask blurred by an isotropic kernel, times noise. One network is the model, others its twins.

    python experiments/edge_test/simulate.py --networks 24 --repeats 24
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import nn

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.analysis.importances import Importances
from agg2exp.analysis.learned import learned_edges
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.roi_importance import Kind

SHAPE, MM = (20, 20, 20), 4.0
NAMES = ("background", *(f"structure {i}" for i in range(1, 7)))
CENTRES = np.array([[6, 6, 9], [13, 6, 10], [6, 13, 10], [13, 13, 9], [10, 10, 5], [10, 9, 15]])
GREY = np.array([0.3, 0.5, 0.6, 0.45, 0.55, 0.4, 0.7])
GRID = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)


@dataclass
class Patient:
    """Labels, body and image (D, H, W)."""

    labels: NDArray[np.int16]
    body: NDArray[np.bool_]
    image: NDArray[np.float64]


def patient(g: np.random.Generator) -> Patient:
    """Six ellipsoids of unlike axes in an ellipsoid."""
    half = (np.array(SHAPE) - 1) / 2
    body = (((GRID - half) / half) ** 2).sum(axis=-1) < 1.3
    labels = np.zeros(SHAPE, dtype=np.int16)
    for c, centre in enumerate(CENTRES, start=1):
        radii = g.uniform(2.2, 4.0, 3)
        labels[(((GRID - centre - g.normal(0, 0.7, 3)) / radii) ** 2).sum(axis=-1) < 1] = c
    labels[~body] = 0
    return Patient(labels, body, np.where(body, GREY[labels], 0) + g.normal(0, 0.05, SHAPE))


def network(seed: int) -> nn.Module:
    """Three convolutions and a classifier, as initialised."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv3d(8, 8, 3, padding=1), nn.ReLU(),
        nn.Conv3d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv3d(8, len(NAMES), 1),
    )  # fmt: skip


def gradients(net: nn.Module, of: Patient) -> NDArray[np.float64]:
    """Vanilla gradient of each class's sum of logits over its mask (L, D, H, W)."""
    x = torch.from_numpy(of.image[None, None]).float().requires_grad_()
    logits = net(x)[0]
    scores = [(logits[c] * torch.from_numpy(of.labels == c)).sum() for c in range(len(NAMES))]
    return np.stack([torch.autograd.grad(s, x, retain_graph=True)[0][0, 0].double().numpy() for s in scores])


def blurred(seed: int, of: Patient, g: np.random.Generator) -> NDArray[np.float64]:
    """Masks blurred by a kernel whose width is that of the "network", times noise."""
    width = np.random.default_rng(seed).uniform(1.2, 2.4)
    masks = np.stack([gaussian_filter((of.labels == c).astype(float), width) for c in range(len(NAMES))])
    return np.asarray(masks * g.gamma(4, 0.25, size=masks.shape))


def importances(e: NDArray[np.float64], of: Patient) -> NDArray[np.float64]:
    """E and E₀ (2, L, L)."""
    labels, body = torch.from_numpy(of.labels), torch.from_numpy(of.body)
    grid = Grid(of.labels.shape, np.diag([MM, MM, MM, 1.0]))
    case = Case("drawn", torch.zeros(1, *labels.shape), grid, grid, body=body)
    regions = CaseRegions.of(case, ExclusiveMasks(labels, len(NAMES)), Labels(NAMES))
    attribution, classes = DenseAttribution(torch.from_numpy(e[:, None]).float()), tuple(range(len(NAMES)))
    e0 = expected_by_distance(attribution, classes, regions)
    mass = np.abs(e).reshape(len(NAMES), -1) @ (of.labels.ravel()[:, None] == np.arange(len(NAMES)))
    return np.stack([mass / mass.sum(axis=1, keepdims=True), e0.numpy()])


def tables(pair: NDArray[np.float64]) -> tuple[Importances, Importances]:
    """(n, 2, L, L) as the product reads it; background is no target."""
    cases = tuple(f"p{i:02d}" for i in range(len(pair)))
    kinds = (Kind.IMPORTANCE, Kind.EXPECTED_BY_DISTANCE)
    one, other = (Importances(kind, cases, NAMES[1:], NAMES, NAMES, pair[:, i, 1:]) for i, kind in enumerate(kinds))
    return one, other


def planted(pair: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Structure 1 gets a share of its attribution from structure 4, whatever its distance."""
    result = pair.copy()
    result[:, :, 1] *= 1 - share
    result[:, 0, 1, 4] += share
    return result


def rates(values: NDArray[np.float64], n: int, twins: int, repeats: int, share: float) -> list[float]:
    """Of 30 edges: share beyond distance, share learned; how often the planted edge is beyond distance, learned."""
    g, found = np.random.default_rng(0), []
    for _ in range(repeats):
        chosen, patients = g.permutation(len(values))[: twins + 1], g.permutation(values.shape[1])[:n]
        model, *others = values[chosen][:, patients]
        table = learned_edges(tables(model), [tables(other) for other in others])
        edge = learned_edges(tables(planted(model, share)), [tables(other) for other in others])
        edge = edge.set_index(["target", "source"]).loc[("structure 1", "structure 4")]
        columns = ["p_adjusted", "p_learned"]
        found.append([*((table[columns] <= 0.05).sum() / 30), *(edge[columns].astype(float) <= 0.05)])
    return [float(rate) for rate in np.mean(found, axis=0)]


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=24)
    parser.add_argument("--patients", type=int, nargs="+", default=[5, 20, 60])
    parser.add_argument("--twins", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--share", type=float, default=0.05)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    g = np.random.default_rng(0)
    patients = [patient(g) for _ in range(max(arguments.patients))]
    nets = [network(seed) for seed in range(arguments.networks)]
    nulls = {
        "random network": [[importances(gradients(net, p), p) for p in patients] for net in nets],
        "blurred mask": [[importances(blurred(k, p, g), p) for p in patients] for k in range(len(nets))],
    }
    print("| null | twins | patients | beyond distance | learned | planted: beyond distance | planted: learned |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for null, values in nulls.items():
        for twins in arguments.twins:
            for n in arguments.patients:
                row = rates(np.array(values), n, twins, arguments.repeats, arguments.share)
                print(f"| {null} | {twins} | {n} |", " | ".join(f"{rate:.3f}" for rate in row), "|", flush=True)


if __name__ == "__main__":
    main()
