"""RoI importance of one case (Eq. 7): how much of each class's attribution lies in each region."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from agg2exp.aggregation.label_counts import label_counts
from agg2exp.domain.attribution import Attribution
from agg2exp.domain.errors import CaseError
from agg2exp.domain.labels import LabelScheme
from agg2exp.domain.regions import Regions
from agg2exp.domain.roi_importance import Kind, LocalImportance

VOLUMES = (Kind.VOLUME_VOXELS, Kind.VOLUME_MM3)  # of the source alone, whatever the target
NO_EXTRA: Mapping[str, Tensor | None] = MappingProxyType({})


def local_importance(
    case_id: str,
    attribution: Attribution,
    classes: tuple[int, ...],
    scheme: LabelScheme,
    prediction_labels: Tensor,
    region_labels: Tensor,
    *,
    voxel_volume: float,
    unknown: Collection[int] = (),
    extra: Mapping[str, Tensor | None] = NO_EXTRA,
    body: Tensor | None = None,
    expected: Tensor | None = None,
) -> LocalImportance:
    """E[a, b] = ‖e_a ⊙ R_b‖₁ / ‖e_a‖₁ (Eq. 7) and its companions, from one pass over the voxels.

    Source: Agg²Exp, WACV 2025, Eq. 7. Sources are the model's classes and then the extra masks, R in all. A
    target that is absent from the prediction, or whose attribution is zero everywhere, has NaN in its whole
    row, but for the volumes of the sources. A source class without voxels has mass and importance 0; mean and
    enrichment are NaN.

    Args:
        case_id: The case.
        attribution: e of the K explained classes, in the order of `classes`.
        classes: Label indices of the explained classes (K).
        scheme: Names of the model's L classes.
        prediction_labels: (D, H, W) ŷ; it decides which targets are present.
        region_labels: (D, H, W) label map that defines the source regions: the prediction or the annotation.
        voxel_volume: mm³ of one voxel.
        unknown: Classes not annotated when the regions come from annotated labels: NaN as sources, and
            background with them, since it contains them.
        extra: Further regions, (D, H, W) masks that may overlap; None for a mask that was not supplied: NaN.
        body: (D, H, W) bool, the patient without the air around; None leaves `Kind.ENRICHMENT_BODY` NaN.
        expected: (K, R) from `expected_by_distance`; None leaves `Kind.EXPECTED_BY_DISTANCE` NaN.

    Raises:
        CaseError: The attribution is not finite, a label is outside 0..L-1, shapes differ, or an extra mask
            is named like a class.
    """
    _check_masks(case_id, scheme, region_labels, {"the prediction": prediction_labels, "the body": body, **extra})
    present = label_counts(case_id, "the prediction", prediction_labels, len(scheme)).tolist()
    label_counts(case_id, "the regions", region_labels, len(scheme))
    regions, whole, inside = _regions(region_labels, len(scheme), extra, body)
    positive_mass, negative_mass = attribution.region_mass(regions)
    if not (positive_mass.isfinite().all() and negative_mass.isfinite().all()):
        raise CaseError(case_id, "expected a finite attribution, got NaN or infinity. Check the image and the weights.")

    to_parts = regions.voxels().double()
    voxels, voxels_inside = to_parts @ whole, to_parts @ inside
    positive, negative = positive_mass @ whole, negative_mass @ whole
    mass, mass_inside = positive + negative, (positive_mass + negative_mass) @ inside
    of_class = slice(0, len(scheme))  # the classes partition the volume, so their masses add up to the total
    total, total_inside = (m[:, of_class].sum(dim=1, keepdim=True) for m in (mass, mass_inside))
    importance = mass / total  # Eq. 7
    undefined = torch.full_like(mass, torch.nan)
    values = {
        Kind.IMPORTANCE: importance,
        Kind.POSITIVE: positive / positive[:, of_class].sum(dim=1, keepdim=True),
        Kind.NEGATIVE: negative / negative[:, of_class].sum(dim=1, keepdim=True),
        Kind.MASS: mass,
        Kind.MEAN: mass / voxels,
        Kind.SIGNED_SUM: positive - negative,
        Kind.VOLUME_VOXELS: voxels.expand_as(mass),
        Kind.VOLUME_MM3: (voxels * voxel_volume).expand_as(mass),
        Kind.ENRICHMENT_VOLUME: importance / (voxels / voxels[of_class].sum()),
        Kind.ENRICHMENT_BODY: (mass_inside / total_inside) / (voxels_inside / voxels_inside[of_class].sum()),
        Kind.EXPECTED_BY_DISTANCE: undefined if expected is None else expected.to(undefined),
    }
    status = tuple(
        "absent from the prediction" if not present[c] else "attribution is zero everywhere" if not t else "ok"
        for c, t in zip(classes, total.flatten().tolist(), strict=True)
    )
    sources = (*scheme.classes, *extra)
    missing = {*unknown, *([0] if unknown else [])}
    hidden_row = np.array([s != "ok" for s in status])
    hidden_column = np.array([i in missing or (i >= len(scheme) and extra[b] is None) for i, b in enumerate(sources)])
    everything = hidden_row[:, None] | hidden_column
    hidden = {kind: hidden_column if kind in VOLUMES else everything for kind in values}
    return LocalImportance(
        case_id=case_id,
        targets=tuple(scheme.classes[c] for c in classes),
        sources=sources,
        values={kind: np.where(hidden[kind], np.nan, matrix.cpu().numpy()) for kind, matrix in values.items()},
        status=status,
    )


def _regions(
    labels: Tensor, n_classes: int, extra: Mapping[str, Tensor | None], body: Tensor | None
) -> tuple[Regions, Tensor, Tensor]:
    """Regions whose sums contain everything, and the two ways to add them up.

    The parts are the combinations (label, inside the body?) that occur. A mask has its part inside the body
    as a second mask, if that differs. An extra mask that was not supplied is left empty.

    Returns:
        Regions with Q columns; (Q, R) zero-one matrices from them to the sources: whole, and inside the body.
    """
    code = 2 * labels.int() + (0 if body is None else body.bool().int())
    codes = torch.bincount(code.flatten(), minlength=2 * n_classes).nonzero().flatten()
    part_of_code = torch.zeros(2 * n_classes, dtype=torch.int16, device=labels.device)
    part_of_code[codes] = torch.arange(len(codes), dtype=torch.int16, device=labels.device)
    membership = [(c // 2, True, c % 2 == 1) for c in codes.tolist()]  # (source, of the whole?, of the inside?)
    masks = [torch.zeros((0, *labels.shape), dtype=torch.bool, device=labels.device)]
    for source, mask in enumerate(extra.values(), start=n_classes):
        if mask is None:
            continue
        whole_mask = mask.bool()
        masks.append(whole_mask.unsqueeze(0))
        inside_mask = None if body is None else whole_mask & body.bool()
        if inside_mask is None or torch.equal(inside_mask, whole_mask):
            membership.append((source, True, body is not None))
        else:
            masks.append(inside_mask.unsqueeze(0))
            membership += [(source, True, False), (source, False, True)]
    regions = Regions(part_of_code[code], len(codes), torch.cat(masks))
    whole, inside = torch.zeros(
        2, len(membership), n_classes + len(extra), dtype=torch.float64, device=labels.device
    ).unbind()
    for q, (source, of_whole, of_inside) in enumerate(membership):
        whole[q, source], inside[q, source] = of_whole, of_inside
    return regions, whole, inside


def _check_masks(case_id: str, scheme: LabelScheme, region_labels: Tensor, others: Mapping[str, Tensor | None]) -> None:
    for name, volume in others.items():
        if name in scheme.classes:
            raise CaseError(
                case_id, f"expected another name for extra mask {name!r}: the model has a class of that name."
            )
        if volume is not None and volume.shape != region_labels.shape:
            raise CaseError(
                case_id,
                f"expected the shape of the regions {tuple(region_labels.shape)}, got {tuple(volume.shape)} "
                f"for {name}. Resample it to the grid of the image.",
            )
