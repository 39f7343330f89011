"""Does the edge test call edges learned where attribution is the mask blurred by an isotropic kernel?

On the anatomy of the phantoms, whose structures are long, flat and neighbours: six of them, 30 edges. One width is the
model's, others are those of its twins: narrower, wider, or on both sides.

    python experiments/edge_test/anatomy.py --patients 5 20 60
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.analysis.importances import Importances
from agg2exp.analysis.learned import learned_edges
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.segmentation_model import labels_of
from agg2exp.data.merge import structures_of
from agg2exp.data.phantom import make_phantom
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.roi_importance import Kind

NAMES = ("aorta", "trachea", "heart", "pulmonary_vein", "ribs", "vertebraes")
SIGMAS = (8.0, 10.0, 12.0, 14.0, 17.0, 20.0, 24.0, 28.0, 34.0)  # mm
KINDS = (Kind.IMPORTANCE, Kind.EXPECTED_BY_DISTANCE)


def anatomy(index: int, mm: float) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Labels (0: none of the six) and body of one phantom."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("explain", ["data.root=none"])
    labels = labels_of(config)
    structures = dict(zip(labels.classes, structures_of(labels, config.data.merge), strict=True))
    phantom = make_phantom(7, index, (mm,) * 3, 0.3)
    label_map = np.zeros(phantom.image.shape, np.int16)
    for c, name in enumerate(NAMES, start=1):
        for structure in structures[name]:
            label_map[phantom.masks[structure]] = c
    slices = np.moveaxis(phantom.image > -500, 2, 0)
    return label_map, np.stack([binary_fill_holes(s) for s in slices], axis=2) | (label_map > 0)


def importances(labels: NDArray[np.int16], body: NDArray[np.bool_], sigma: float, mm: float) -> NDArray[np.float64]:
    """E and E₀ (2, 7, 7) of masks blurred by a Gaussian of `sigma` mm."""
    n = len(NAMES) + 1
    e = np.stack([gaussian_filter((labels == c).astype(np.float32), sigma / mm, truncate=5) for c in range(n)])
    of, inside = torch.from_numpy(labels), torch.from_numpy(body)
    attribution = DenseAttribution(torch.from_numpy(e[:, None]))
    grid = Grid(labels.shape, np.diag([mm, mm, mm, 1.0]))
    case = Case("phantom", torch.zeros(1, *labels.shape), grid, grid, body=inside)
    regions = CaseRegions.of(case, ExclusiveMasks(of, n), Labels(("background", *NAMES)))
    e0 = expected_by_distance(attribution, tuple(range(n)), regions)
    mass = e.reshape(n, -1).astype(float) @ (labels.ravel()[:, None] == np.arange(n))
    return np.stack([mass / mass.sum(axis=1, keepdims=True), e0.numpy()])


def simulated(patients: int, sigmas: Sequence[float], mm: float = 9.0) -> NDArray[np.float64]:
    """(widths, patients, 2, 7, 7)."""
    bodies = [anatomy(i + 1, mm) for i in range(patients)]
    return np.array([[importances(*one, sigma, mm) for one in bodies] for sigma in sigmas])


def flagged(values: NDArray[np.float64], model: int, twins: Sequence[int]) -> tuple[float, float]:
    """Share of 30 edges beyond distance, and learned."""
    every = ("background", *NAMES)
    cases = tuple(f"p{i:02d}" for i in range(values.shape[1]))

    def tables(k: int) -> tuple[Importances, Importances]:
        one, other = (
            Importances(kind, cases, NAMES, every, every, values[k, :, i, 1:]) for i, kind in enumerate(KINDS)
        )
        return one, other

    table = learned_edges(tables(model), [tables(k) for k in twins])
    beyond, learned = ((table[column] <= 0.05).sum() / 30 for column in ("p_adjusted", "p_learned"))
    return float(beyond), float(learned)


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, nargs="+", default=[5, 20, 60])
    parser.add_argument("--twins", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--repeats", type=int, default=4, help="draws of twins for each width")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    values = simulated(max(arguments.patients), SIGMAS)
    print("| twins | patients | the model is | beyond distance | learned | learned, at most |")
    print("| --- " * 6 + "|")
    for count in arguments.twins:
        for n in arguments.patients:
            found, g = defaultdict(list), np.random.default_rng(0)
            for model in range(len(SIGMAS)):
                for _ in range(arguments.repeats):
                    twins = g.permutation([k for k in range(len(SIGMAS)) if k != model])[:count]
                    side = (model > twins).mean()
                    where = {1: "wider than all twins", 0: "narrower than all"}.get(side, "among them")
                    found[where].append(flagged(values[:, :n], model, twins.tolist()))
            for where, shares in found.items():
                beyond, learned = np.array(shares).T
                print(f"| {count} | {n} | {where} | {beyond.mean():.3f} | {learned.mean():.3f} | {learned.max():.3f} |")


if __name__ == "__main__":
    main()
