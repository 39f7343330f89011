import pytest
import torch

from agg2exp.aggregation.label_counts import label_counts
from agg2exp.domain.errors import CaseError


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_counts_every_class(dtype):
    labels = torch.tensor([[[0, 2, 2, 3]]], dtype=dtype)
    assert label_counts("c", "the prediction", labels, 5).tolist() == [1, 0, 2, 1, 0]


@pytest.mark.parametrize("label", [-1, 5])
def test_names_the_case_and_the_map(label):
    with pytest.raises(CaseError, match=f"case c: .*0 to 4 in the annotation.*{label}"):
        label_counts("c", "the annotation", torch.tensor([[[0, label]]]), 5)
