"""The partition of a case, and what of it belongs to which source."""

from dataclasses import replace

import pytest
import torch

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.masks import ExclusiveMasks, OverlappingMasks
from tests.helpers.case_regions import case_regions, exclusive_labels, overlapping_labels
from tests.helpers.explanations import small_case

SHAPE = (4, 5, 6)


def toy(seed, overlapping):
    g = torch.Generator().manual_seed(seed)
    masks = (
        OverlappingMasks(torch.rand(3, *SHAPE, generator=g) < 0.4)
        if overlapping
        else ExclusiveMasks(torch.randint(0, 4, SHAPE, generator=g), 4)
    )
    body = torch.rand(SHAPE, generator=g) < 0.6
    across, within = torch.rand(2, *SHAPE, generator=g) < 0.3
    return masks, body, {"across": across, "within": within & body, "missing": None}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("overlapping", [False, True])
def test_columns_add_up_to_the_sources_and_cells_to_everything(seed, overlapping):
    masks, body, extra = toy(seed, overlapping)
    regions = case_regions(masks, extra=extra, body=body)
    columns = torch.stack([*(regions.sums.partition == q for q in range(regions.sums.n_parts)), *regions.sums.masks])
    columns = columns.flatten(1).double()
    background = [~masks.foreground()] if overlapping else []
    classes = [masks.mask(c) for c in range(masks.n_classes)]
    empty = torch.zeros(SHAPE, dtype=torch.bool)
    sources = torch.stack([*background, *classes, *(empty if m is None else m for m in extra.values())]).flatten(1)
    assert torch.equal(regions.whole.sources.T @ columns, sources.double())
    assert torch.equal(regions.inside.sources.T @ columns, (sources & body.flatten()).double())
    assert torch.equal(regions.whole.total(columns.T), torch.ones(columns.shape[1], 1, dtype=torch.float64))
    assert torch.equal(regions.inside.total(columns.T)[:, 0], body.flatten().double())
    assert regions.voxels.tolist() == masks.voxels().tolist()


@pytest.mark.parametrize("overlapping", [False, True])
def test_without_a_body_nothing_is_inside(overlapping):
    masks, _, extra = toy(0, overlapping)
    regions = case_regions(masks, extra=extra)
    assert not regions.inside.sources.any() and not regions.inside.cells.any()
    assert len(regions.sums.masks) == 2


def test_sources_are_the_classes_with_background_and_then_the_extra_masks():
    extra = {"nodule": torch.zeros(SHAPE, dtype=torch.bool), "missing": None}
    exclusive = case_regions(torch.zeros(SHAPE, dtype=torch.int16), 3, extra=extra)
    assert exclusive.sources == ("background", "organ_1", "organ_2", "nodule", "missing")
    overlapping = case_regions(OverlappingMasks(torch.zeros(2, *SHAPE, dtype=torch.bool)), extra=extra)
    assert overlapping.sources == ("background", "region_1", "region_2", "nodule", "missing")
    assert [exclusive.column(c) for c in range(3)] == [0, 1, 2]
    assert [overlapping.column(c) for c in range(2)] == [1, 2]
    assert exclusive.unknown == overlapping.unknown == (False, False, False, False, True)


def test_extra_masks_that_are_given_as_numbers_are_masks():
    whole = torch.tensor([[[0, 1, 1]]], dtype=torch.uint8)
    regions = case_regions(torch.zeros(1, 1, 3, dtype=torch.int16), 2, extra={"nodule": whole}, body=whole)
    assert regions.sums.voxels() @ regions.inside.sources.long() == pytest.approx([2, 0, 2])


@pytest.mark.parametrize("taken", ["background", "region_2"])
def test_an_extra_mask_named_like_a_source_is_refused(taken):
    masks = OverlappingMasks(torch.zeros(2, *SHAPE, dtype=torch.bool))
    with pytest.raises(CaseError, match=f"toy.*another name for extra mask '{taken}'"):
        case_regions(masks, extra={taken: None})


def test_masks_of_another_grid_are_refused():
    masks = OverlappingMasks(torch.zeros(2, *SHAPE, dtype=torch.bool))
    other = torch.zeros(2, 5, 6, dtype=torch.bool)
    for changes in ({"body": other}, {"extra": {"nodule": other}}, {"annotation": OverlappingMasks(other[None])}):
        with pytest.raises(CaseError, match=r"toy.*shape of the regions"):
            case_regions(masks, **changes)


def test_masks_of_other_classes_are_refused():
    masks = OverlappingMasks(torch.zeros(2, *SHAPE, dtype=torch.bool))
    with pytest.raises(CaseError, match="case a: expected 3 classes in the prediction, got 2"):
        CaseRegions.of(replace(small_case(), body=None), masks, overlapping_labels(3))


@pytest.mark.parametrize("annotated", [(), (True,), (True, False, True)])
def test_an_annotation_says_of_each_class_whether_it_is_there(annotated):
    masks = ExclusiveMasks(torch.zeros(SHAPE, dtype=torch.int16), 2)
    case = replace(small_case(), body=None, annotation=masks, annotated=annotated)
    with pytest.raises(CaseError, match=f"case a: expected whether each of 2 classes .* got {len(annotated)} of them"):
        CaseRegions.of(case, masks, exclusive_labels(2), "label")


def test_other_sources_than_prediction_and_label_are_refused():
    masks = ExclusiveMasks(torch.zeros(SHAPE, dtype=torch.int16), 2)
    with pytest.raises(SettingError, match="regions: expected one of 'prediction', 'label', got 'both'"):
        CaseRegions.of(replace(small_case(), body=None), masks, exclusive_labels(2), "both")
    with pytest.raises(CaseError, match="case a: regions=label needs an annotation"):
        CaseRegions.of(replace(small_case(), body=None), masks, exclusive_labels(2), "label")
