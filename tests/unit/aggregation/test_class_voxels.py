import pytest
import torch

from agg2exp.aggregation.class_voxels import class_voxels
from agg2exp.domain.errors import CaseError
from agg2exp.domain.masks import ExclusiveMasks, OverlappingMasks


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_counts_every_class(dtype):
    label_map = torch.tensor([[[0, 2, 2, 3]]], dtype=dtype)
    assert class_voxels("c", "the prediction", ExclusiveMasks(label_map, 5), 5).tolist() == [1, 0, 2, 1, 0]


def test_counts_voxels_of_several_classes_in_each():
    bits = torch.tensor([[[[1, 1, 0]]], [[[0, 1, 0]]]]).bool()
    assert class_voxels("c", "the prediction", OverlappingMasks(bits), 2).tolist() == [2, 1]


@pytest.mark.parametrize("label", [-1, 5])
def test_names_the_case_and_the_map(label):
    with pytest.raises(CaseError, match=f"case c: .*0 to 4 in the annotation.*{label}"):
        class_voxels("c", "the annotation", ExclusiveMasks(torch.tensor([[[0, label]]]), 5), 5)


def test_masks_of_another_number_of_classes_are_refused():
    with pytest.raises(CaseError, match="case c: expected 3 classes in the regions, got 2"):
        class_voxels("c", "the regions", OverlappingMasks(torch.zeros(2, 1, 1, 1, dtype=torch.bool)), 3)
