"""Masks of classes, exclusive and overlapping, against their definition voxel by voxel."""

from __future__ import annotations

import pytest
import torch

from agg2exp.domain.errors import SettingError
from agg2exp.domain.masks import Cells, ClassMasks, ExclusiveMasks, OverlappingMasks

SHAPE = (3, 4, 5)


def exclusive(n: int, seed: int) -> ExclusiveMasks:
    """Labels of every class but the last."""
    generator = torch.Generator().manual_seed(seed)
    return ExclusiveMasks(torch.randint(max(n - 1, 1), SHAPE, generator=generator).to(torch.int16), n)


def overlapping(n: int, seed: int) -> OverlappingMasks:
    """Masks of random extents, the last one empty."""
    generator = torch.Generator().manual_seed(seed)
    bits = torch.rand(n, *SHAPE, generator=generator) < torch.rand(n, 1, 1, 1, generator=generator)
    bits[-1] = False
    return OverlappingMasks(bits)


def check_cells(cells: Cells, masks: ClassMasks, nested: list[torch.Tensor]) -> None:
    """Parts are numbered from 0 and partition the volume; each source is the union of its parts."""
    assert cells.ids.shape == masks.shape
    assert int(cells.ids.min()) >= 0 and int(cells.ids.max()) < len(cells.members)
    assert cells.members.dtype == torch.bool and cells.members.shape[1] == len(nested)
    for source, mask in enumerate(nested):
        assert torch.equal(cells.members[:, source][cells.ids.long()], mask)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_exclusive_masks_are_the_classes_of_a_label_map(n: int, seed: int) -> None:
    masks = exclusive(n, seed)
    bits = [masks.label_map == c for c in range(n)]
    assert all(torch.equal(masks.mask(c), bits[c]) for c in range(n))
    assert masks.voxels().tolist() == [int(mask.sum()) for mask in bits]
    assert torch.equal(masks.foreground(), ~bits[0])
    check_cells(masks.cells(), masks, bits)
    assert torch.equal(torch.stack(bits).sum(dim=0), torch.ones(SHAPE, dtype=torch.int64))


@pytest.mark.parametrize("n", [1, 2, 5, 70])
@pytest.mark.parametrize("seed", range(5))
def test_overlapping_masks_are_unions_of_the_cells_of_their_overlaps(n: int, seed: int) -> None:
    masks = overlapping(n, seed)
    bits = masks.bits
    assert masks.n_classes == n and masks.shape == SHAPE
    assert masks.voxels().tolist() == [int(mask.sum()) for mask in bits]
    assert torch.equal(masks.foreground(), bits.sum(dim=0) > 0)
    cells = masks.cells()
    check_cells(cells, masks, [~masks.foreground(), *bits])
    combinations = {tuple(column.tolist()) for column in bits.flatten(1).T} | {(False,) * n}
    assert {tuple(row.tolist()) for row in cells.members[:, 1:]} == combinations  # those that occur, and no region
    assert len(cells.members) == len(combinations)
    assert not cells.members[0, 1:].any()


def test_nested_regions_have_the_cells_that_their_users_name() -> None:
    """Whole tumour, core and enhancing tumour of a line of voxels: WT without TC, TC without ET, ET."""
    line = torch.arange(8).expand(1, 1, 8)
    cells = OverlappingMasks(torch.stack([(line > 0) & (line < 7), (line > 1) & (line < 6), line == 3])).cells()
    assert cells.ids.flatten().tolist() == [0, 1, 2, 3, 2, 2, 1, 0]
    assert cells.members.int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]


@pytest.mark.parametrize("full", [False, True])
def test_masks_without_a_voxel_and_masks_of_all(full: bool) -> None:
    masks = OverlappingMasks(torch.full((3, *SHAPE), full))
    cells = masks.cells()
    assert torch.equal(cells.ids, torch.full(SHAPE, int(full)))
    assert cells.members.int().tolist() == [[1, 0, 0, 0], [0, 1, 1, 1]][: 1 + full]
    assert masks.voxels().tolist() == [60 * full] * 3


def test_masks_move_between_devices() -> None:
    assert exclusive(3, 0).to("meta").label_map.is_meta and exclusive(3, 0).to("meta").n_classes == 3
    assert overlapping(3, 0).to("meta").bits.is_meta


@pytest.mark.parametrize("bits", [torch.zeros(3, 4, 5, dtype=torch.bool), torch.zeros(2, 3, 4, 5)])
def test_bits_of_another_form_are_refused(bits: torch.Tensor) -> None:
    with pytest.raises(SettingError, match=r"bits: expected bool \(L, D, H, W\)"):
        OverlappingMasks(bits)
