"""RoI importance of one case (Eq. 7): how much of each class's attribution lies in each region."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.domain.attribution import Attribution
from agg2exp.domain.errors import CaseError
from agg2exp.domain.roi_importance import Kind, LocalImportance

VOLUMES = (Kind.VOLUME_VOXELS, Kind.VOLUME_MM3)  # of the source alone, whatever the target


def local_importance(
    attribution: Attribution, classes: tuple[int, ...], regions: CaseRegions, expected: Tensor | None = None
) -> LocalImportance:
    """E[a, b] = ‖e_a ⊙ R_b‖₁ / ‖e_a‖₁ (Eq. 7) and its companions, from one pass over the voxels.

    Source: Agg²Exp, WACV 2025, Eq. 7. Over exclusive classes, with background, a row sums to 1. Over overlapping ones
    it need not: a voxel counts in every region that it belongs to, and ‖e_a‖₁ counts it once. A target that is absent
    from the prediction, or whose attribution is zero everywhere, has NaN in its whole row, but for the volumes of the
    sources. A source class without voxels has mass and importance 0; mean and enrichment are NaN. With several
    channels, E[a, b, c] = ‖e_a(c) ⊙ R_b‖₁ / ‖e_a‖₁ is the part of channel c; over channels it sums to E[a, b].

    Args:
        attribution: e of the K explained classes, in the order of `classes`.
        classes: Label indices of the explained classes (K).
        regions: The sources (R). NaN as sources if they are unknown; where the body is unknown,
            `Kind.ENRICHMENT_BODY` is NaN.
        expected: (K, R) from `expected_by_distance`; None leaves `Kind.EXPECTED_BY_DISTANCE` NaN.

    Raises:
        CaseError: The attribution is not finite, or of other channels than the case has.
    """
    positive_parts, negative_parts = attribution.region_mass(regions.sums)  # (K, C, Q) each
    if not (positive_parts.isfinite().all() and negative_parts.isfinite().all()):
        raise CaseError(
            regions.case_id,
            "expected a finite attribution, got NaN or infinity. Check the image and the weights.",
        )
    whole, inside = regions.whole, regions.inside
    to_parts = regions.sums.voxels().double()
    voxels, voxels_inside = to_parts @ whole.sources, to_parts @ inside.sources
    positive_mass, negative_mass = positive_parts.sum(dim=1), negative_parts.sum(dim=1)
    positive, negative = positive_mass @ whole.sources, negative_mass @ whole.sources
    mass, mass_inside = positive + negative, (positive_mass + negative_mass) @ inside.sources
    total_positive, total_negative = whole.total(positive_mass), whole.total(negative_mass)
    total = (positive_mass @ whole.cells + negative_mass @ whole.cells).sum(dim=1, keepdim=True)  # ‖e_a‖₁
    importance = mass / total  # Eq. 7
    undefined = torch.full_like(mass, torch.nan)
    values = {
        Kind.IMPORTANCE: importance,
        Kind.POSITIVE: positive / total_positive,
        Kind.NEGATIVE: negative / total_negative,
        Kind.MASS: mass,
        Kind.MEAN: mass / voxels,
        Kind.SIGNED_SUM: positive - negative,
        Kind.VOLUME_VOXELS: voxels.expand_as(mass),
        Kind.VOLUME_MM3: (voxels * regions.grid.voxel_volume).expand_as(mass),
        Kind.ENRICHMENT_VOLUME: importance / (voxels / whole.total(to_parts)),
        Kind.ENRICHMENT_BODY: (mass_inside / inside.total(positive_mass + negative_mass))
        / (voxels_inside / inside.total(to_parts)),
        Kind.EXPECTED_BY_DISTANCE: undefined if expected is None else expected.to(undefined),
    }
    present = regions.voxels.tolist()
    status = tuple(
        "absent from the prediction" if not present[c] else "attribution is zero everywhere" if not t else "ok"
        for c, t in zip(classes, total.flatten().tolist(), strict=True)
    )
    hidden_row, hidden_column = np.array([s != "ok" for s in status]), np.array(regions.unknown)
    everything = hidden_row[:, None] | hidden_column
    hidden = {kind: hidden_column if kind in VOLUMES else everything for kind in values}
    channels, by_channel, channel_shares = _channels(regions, positive_parts.shape[1]), None, None
    if channels:
        of_channels = positive_parts + negative_parts
        by_channel = _by_channel(of_channels @ whole.sources / total.unsqueeze(1), everything)
        shares = whole.total(of_channels).squeeze(2) / total
        channel_shares = np.where(hidden_row[:, None], np.nan, shares.cpu().numpy())
    return LocalImportance(
        case_id=regions.case_id,
        targets=tuple(regions.labels.classes[c] for c in classes),
        sources=regions.sources,
        values={kind: np.where(hidden[kind], np.nan, matrix.cpu().numpy()) for kind, matrix in values.items()},
        status=status,
        channels=channels,
        by_channel=by_channel,
        channel_shares=channel_shares,
    )


def _by_channel(importance: Tensor, hidden: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(K, C, R) as (K, R, C), NaN where `hidden` (K, R)."""
    return np.where(hidden[..., None], np.nan, importance.transpose(1, 2).cpu().numpy())


def _channels(regions: CaseRegions, n: int) -> tuple[str, ...]:
    """Names of the n channels of an attribution; none of one alone, which may be of all channels together."""
    if n == 1:
        return ()
    if len(regions.channels) != n:
        raise CaseError(
            regions.case_id, f"expected an attribution of the channels {list(regions.channels)}, got one of {n}."
        )
    return regions.channels
