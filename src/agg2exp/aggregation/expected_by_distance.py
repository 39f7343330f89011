"""The importance each region would have if attribution depended on the distance to the class alone."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from agg2exp.aggregation.label_counts import label_counts
from agg2exp.domain.attribution import Attribution

ROUNDING = 1e-6  # keeps a distance that is a whole number of bins, up to rounding, in the lower bin


def expected_by_distance(
    case_id: str,
    attribution: Attribution,
    classes: tuple[int, ...],
    n_classes: int,
    prediction_labels: Tensor,
    region_labels: Tensor,
    body: Tensor,
    spacing: tuple[float, float, float],
    *,
    extra: Mapping[str, Tensor | None],
    bin_mm: float = 4.0,
    grid_mm: float = 4.0,
) -> Tensor:
    """E₀[a, b] = Σ_d M_a(d) · |R_b ∩ shell_d(a)| / |shell_d(a) ∩ body| / ‖e_a‖₁, for b ≠ a.

    M_a(d) is the mass of e_a within the body at distance d from m_a = {ŷ = a}. R_b is counted within the body
    too, so that the shares of a shell over a partition of the body sum to 1 (and the row, with b = a, to the
    share of e_a that lies in the body). Shell 0 is m_a itself; shell n > 0 holds distances in ((n - 1) ·
    bin_mm, n · bin_mm].

    Masses and counts are those of the voxels, exactly. The distance alone is taken on a grid coarsened by
    whole factors per axis while its cells stay within `grid_mm`: from centre to centre of cells, where a cell
    that contains any of m_a belongs to it. Where no axis is coarsened, distances are exact.

    Args:
        case_id: Named in errors.
        attribution: e of the K explained classes, in the order of `classes`.
        classes: Label indices of the explained classes (K).
        n_classes: L.
        prediction_labels: (D, H, W) ŷ.
        region_labels: (D, H, W) label map that defines the first L regions.
        body: (D, H, W) bool, the patient without the air around.
        spacing: mm between voxel centres along each axis.
        extra: Further regions as (D, H, W) masks; None for a mask that was not supplied.
        bin_mm: Width of a shell in mm.
        grid_mm: Largest cell of the distance transform in mm.

    Returns:
        (K, R) float64, R = L + number of extra masks. NaN for b = a, in the row of a class that is absent
        from ŷ or has no attribution, in the column of a mask that was not supplied, and everywhere if the
        body is empty.

    Raises:
        CaseError: A label is outside 0..L-1.
    """
    present = label_counts(case_id, "the prediction", prediction_labels, n_classes)
    label_counts(case_id, "the regions", region_labels, n_classes)
    n_regions = n_classes + len(extra)
    result = torch.full((len(classes), n_regions), torch.nan, dtype=torch.float64, device=body.device)
    if not body.any():
        return result
    factors = tuple(max(1, math.floor(grid_mm / mm + ROUNDING)) for mm in spacing)
    box = _box(body.bool() | (prediction_labels != 0), factors)
    predicted = prediction_labels[box]
    cell, cells = _cells(predicted.shape, factors, body.device)
    occupied = torch.zeros(n_classes, math.prod(cells), dtype=torch.bool, device=body.device)
    occupied[predicted.flatten().int(), cell.flatten()] = True
    sampling = tuple(f * mm for f, mm in zip(factors, spacing, strict=True))

    voxels = body.flatten().nonzero().flatten()  # (V,) of the body; below, one entry for each of them
    cell = cell[body[box].bool()]
    predicted = prediction_labels.flatten()[voxels]
    region = region_labels.flatten()[voxels].long()
    none = torch.zeros_like(predicted, dtype=torch.bool)
    masks = [none if mask is None else mask.flatten()[voxels].bool() for mask in extra.values()]
    extra_column, extra_voxel = torch.stack([*masks, none]).nonzero(as_tuple=True)
    for k, a in enumerate(classes):
        values = attribution.dense(k)
        at_least_float32 = torch.promote_types(values.dtype, torch.float32)
        e = torch.linalg.vector_norm(values, ord=1, dim=0, dtype=at_least_float32)  # |e_a| over channels
        total = e.sum(dim=(1, 2)).sum(dtype=torch.float64)
        if not present[a] or not total:
            continue
        distance = distance_transform_edt(~occupied[a].reshape(cells).cpu().numpy(), sampling=sampling)
        shell_of_cell = torch.from_numpy(distance / bin_mm - ROUNDING).ceil().short().flatten().to(body.device)
        shell = shell_of_cell.index_select(0, cell).clamp_(min=1).masked_fill_(predicted == a, 0).long()
        n = int(shell.max()) + 1
        count = torch.zeros(n, n_regions, dtype=torch.float64, device=body.device)  # |R_b ∩ shell_d(a) ∩ body|
        joint = torch.bincount(shell * n_classes + region, minlength=n * n_classes)
        count[:, :n_classes] = joint.reshape(n, n_classes)
        if extra:
            joint = torch.bincount(shell[extra_voxel] * len(extra) + extra_column, minlength=n * len(extra))
            count[:, n_classes:] = joint.reshape(n, len(extra))
        size = count[:, :n_classes].sum(dim=1).clamp_(min=1)  # |shell_d(a) ∩ body|; an empty one has no mass
        mass = torch.zeros(n, dtype=torch.float64, device=body.device)
        mass.index_add_(0, shell, e.flatten().index_select(0, voxels).double())  # M_a(d)
        result[k] = (mass / size) @ count / total
        result[k, a] = torch.nan
    for j, mask in enumerate(extra.values(), start=n_classes):
        if mask is None:
            result[:, j] = torch.nan
    return result


def _box(occupied: Tensor, margin: tuple[int, ...]) -> tuple[slice, ...]:
    """Bounding box of a mask with a margin.

    Outside of it all is background, as is its margin: so the nearest voxel of any class is found within the
    box.
    """
    box = []
    for axis, m in enumerate(margin):
        others = tuple(i for i in range(occupied.ndim) if i != axis)
        where = occupied.any(dim=others).nonzero().flatten()
        box.append(slice(max(int(where[0]) - m, 0), int(where[-1]) + 1 + m))
    return tuple(box)


def _cells(shape: torch.Size, factors: tuple[int, ...], device: torch.device) -> tuple[Tensor, tuple[int, ...]]:
    """Cell of each voxel (D, H, W) int32, and the number of cells along each axis."""
    cells = tuple(-(-size // f) for size, f in zip(shape, factors, strict=True))
    cell = torch.zeros(shape, dtype=torch.int32, device=device)
    for axis, (size, f) in enumerate(zip(shape, factors, strict=True)):
        index = torch.arange(size, dtype=torch.int32, device=device) // f * math.prod(cells[axis + 1 :])
        cell += index.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return cell, cells
