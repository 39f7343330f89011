"""The importance each region would have if attribution depended on the distance to the class alone."""

from __future__ import annotations

import math

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.domain.attribution import Attribution
from agg2exp.domain.masks import ClassMasks, ExclusiveMasks

ROUNDING = 1e-6  # keeps a distance that is a whole number of bins, up to rounding, in the lower bin


def expected_by_distance(
    attribution: Attribution,
    classes: tuple[int, ...],
    regions: CaseRegions,
    bin_mm: float = 4.0,
    grid_mm: float = 4.0,
) -> Tensor:
    """E₀[a, b] = Σ_d M_a(d) · |R_b ∩ shell_d(a)| / |shell_d(a) ∩ body| / ‖e_a‖₁, for b ≠ a.

    M_a(d) is the mass of e_a within the body at distance d from m_a, where class a was predicted. R_b is counted
    within the body too, so that the shares of a shell over a partition of the body sum to 1 (and the row of exclusive
    classes, with b = a, to the share of e_a that lies in the body). Shell 0 is m_a itself, with whatever overlaps it;
    shell n > 0 holds distances in ((n - 1) · bin_mm, n · bin_mm].

    Masses and counts are those of the voxels, exactly. The distance alone is taken on a grid coarsened by
    whole factors per axis while its cells stay within `grid_mm`: from centre to centre of cells, where a cell
    that contains any of m_a belongs to it. Where no axis is coarsened, distances are exact.

    Args:
        attribution: e of the K explained classes, in the order of `classes`.
        classes: Label indices of the explained classes (K).
        regions: The sources (R), the predicted classes and the body.
        bin_mm: Width of a shell in mm.
        grid_mm: Largest cell of the distance transform in mm.

    Returns:
        (K, R) float64. NaN for b = a, in the row of a class that is absent from the prediction or has no attribution,
        in the column of a mask that was not supplied, and everywhere if the body is unknown or empty.
    """
    n_regions, device = len(regions.sources), regions.voxels.device
    result = torch.full((len(classes), n_regions), torch.nan, dtype=torch.float64, device=device)
    if regions.body is None or not regions.body.any():
        return result
    body, spacing = regions.body.bool(), regions.grid.spacing
    factors = tuple(max(1, math.floor(grid_mm / mm + ROUNDING)) for mm in spacing)
    box = _box(body | regions.predicted.foreground(), factors)
    cell, cells = _cells(body[box].shape, factors, device)
    occupied = _occupied(regions.predicted, box, cell, math.prod(cells))
    sampling = tuple(f * mm for f, mm in zip(factors, spacing, strict=True))

    voxels = body.flatten().nonzero().flatten()  # (V,) of the body; below, one entry for each of them
    cell = cell[body[box]]
    part, n_parts = regions.sums.partition.flatten()[voxels].long(), regions.sums.n_parts
    none = torch.zeros_like(voxels, dtype=torch.bool)
    masks = [none if mask is None else mask.flatten()[voxels].bool() for mask in regions.extra.values()]
    extra_column, extra_voxel = torch.stack([*masks, none]).nonzero(as_tuple=True)
    n_extra, first_extra = len(masks), n_regions - len(masks)
    for k, a in enumerate(classes):
        values = attribution.dense(k)
        at_least_float32 = torch.promote_types(values.dtype, torch.float32)
        e = torch.linalg.vector_norm(values, ord=1, dim=0, dtype=at_least_float32)  # |e_a| over channels
        total = e.sum(dim=(1, 2)).sum(dtype=torch.float64)
        if not regions.voxels[a] or not total:
            continue
        of_a = regions.predicted.mask(a).flatten().index_select(0, voxels)  # m_a
        distance = distance_transform_edt(~occupied[a].reshape(cells).cpu().numpy(), sampling=sampling)
        shell_of_cell = torch.from_numpy(distance / bin_mm - ROUNDING).ceil().short().flatten().to(device)
        shell = shell_of_cell.index_select(0, cell).clamp_(min=1).masked_fill_(of_a, 0).long()
        n = int(shell.max()) + 1
        joint = torch.bincount(shell * n_parts + part, minlength=n * n_parts).reshape(n, n_parts).double()
        count = joint @ regions.whole.sources[:n_parts]  # |R_b ∩ shell_d(a) ∩ body|
        if n_extra:
            of_extra = torch.bincount(shell[extra_voxel] * n_extra + extra_column, minlength=n * n_extra)
            count[:, first_extra:] = of_extra.reshape(n, n_extra)
        size = joint.sum(dim=1).clamp_(min=1)  # |shell_d(a) ∩ body|; an empty one has no mass
        mass = torch.zeros(n, dtype=torch.float64, device=device)
        mass.index_add_(0, shell, e.flatten().index_select(0, voxels).double())  # M_a(d)
        result[k] = (mass / size) @ count / total
        result[k, regions.column(a)] = torch.nan
    for j, mask in enumerate(regions.extra.values(), start=first_extra):
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


def _occupied(masks: ClassMasks, box: tuple[slice, ...], cell: Tensor, n_cells: int) -> Tensor:
    """Cells of the coarse grid that contain any voxel of each class, (L, n_cells) bool."""
    occupied = torch.zeros(masks.n_classes, n_cells, dtype=torch.bool, device=cell.device)
    if isinstance(masks, ExclusiveMasks):
        occupied[masks.label_map[box].flatten().int(), cell.flatten()] = True  # all classes at once
        return occupied
    for c in range(masks.n_classes):
        occupied[c, cell[masks.mask(c)[box]]] = True
    return occupied


def _cells(shape: torch.Size, factors: tuple[int, ...], device: torch.device) -> tuple[Tensor, tuple[int, ...]]:
    """Cell of each voxel (D, H, W) int32, and the number of cells along each axis."""
    cells = tuple(-(-size // f) for size, f in zip(shape, factors, strict=True))
    cell = torch.zeros(shape, dtype=torch.int32, device=device)
    for axis, (size, f) in enumerate(zip(shape, factors, strict=True)):
        index = torch.arange(size, dtype=torch.int32, device=device) // f * math.prod(cells[axis + 1 :])
        cell += index.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return cell, cells
