"""What aggregation computes, from the definitions alone."""

import itertools
import math

import numpy as np

from agg2exp.domain.roi_importance import Kind


@np.errstate(invalid="ignore")  # a source without voxels
def importance_slowly(e, masks, body, voxel_volume):
    """Every kind but one, one entry at a time; e (K, C, D, H, W), masks (R, D, H, W), body (D, H, W)."""
    e, masks, body = e.double().numpy(), masks.numpy(), body.numpy()
    out = {kind: np.full((len(e), len(masks)), np.nan) for kind in Kind}
    for a, ea in enumerate(e):
        for b, m in enumerate(masks):
            inside = np.abs(ea)[:, m].sum()
            out[Kind.MASS][a, b] = inside
            out[Kind.IMPORTANCE][a, b] = inside / np.abs(ea).sum()
            out[Kind.POSITIVE][a, b] = ea[:, m][ea[:, m] > 0].sum() / ea[ea > 0].sum()
            out[Kind.NEGATIVE][a, b] = ea[:, m][ea[:, m] < 0].sum() / ea[ea < 0].sum()
            out[Kind.MEAN][a, b] = inside / m.sum()
            out[Kind.SIGNED_SUM][a, b] = ea[:, m].sum()
            out[Kind.VOLUME_VOXELS][a, b] = m.sum()
            out[Kind.VOLUME_MM3][a, b] = m.sum() * voxel_volume
            out[Kind.ENRICHMENT_VOLUME][a, b] = out[Kind.IMPORTANCE][a, b] / m.mean()
            share_of_mass = np.abs(ea)[:, m & body].sum() / np.abs(ea)[:, body].sum()
            out[Kind.ENRICHMENT_BODY][a, b] = share_of_mass / ((m & body).sum() / body.sum())
    return out


def expected_slowly(e, predicted, regions, body, spacing, bin_mm, classes, own=0):
    """E₀ from its formula, voxel by voxel.

    Args:
        e: (K, C, D, H, W).
        predicted: Predicted masks of the classes.
        regions: Masks of the sources; that of class a is number a + own.
        body: Mask.
        spacing: mm.
        bin_mm: Width of a shell.
        classes: The K targets.
        own: How many sources come before the classes.
    """
    out = np.full((len(classes), len(regions)), np.nan)
    voxels = list(itertools.product(*(range(n) for n in body.shape)))
    for k, a in enumerate(classes):
        e_a = e[k].abs().sum(dim=0).double().numpy()
        m_a = np.argwhere(predicted[a]) * np.array(spacing)
        mass, shells = {}, {}
        for v in voxels:
            if not body[v]:
                continue
            distance = np.sqrt(((m_a - np.array(v) * np.array(spacing)) ** 2).sum(axis=1).min())
            d = math.ceil(round(distance / bin_mm, 5))
            mass[d] = mass.get(d, 0) + e_a[v]
            shells.setdefault(d, []).append(v)
        for b, region in enumerate(regions):
            if b != a + own:
                share = {d: sum(bool(region[v]) for v in vs) / len(vs) for d, vs in shells.items()}
                out[k, b] = sum(mass[d] * share[d] for d in shells) / e_a.sum()
    return out
