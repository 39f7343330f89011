"""A prediction from logits, by parts and cut to size."""

from __future__ import annotations

import pytest
import torch

from agg2exp.domain.prediction import Prediction

FIELDS = ("labels", "top_logit", "top_probability", "runner_up", "runner_up_logit")


@pytest.mark.parametrize("n_classes", [2, 3, 40])
def test_fields_are_those_of_sorted_logits(n_classes: int) -> None:
    logits = torch.randn(n_classes, 4, 3, 5, generator=torch.Generator().manual_seed(n_classes))
    prediction = Prediction.from_logits(logits)
    ordered, index = logits.sort(dim=0, descending=True)
    assert torch.equal(prediction.labels, index[0].to(torch.int16))
    assert torch.equal(prediction.runner_up, index[1].to(torch.int16))
    assert torch.equal(prediction.top_logit, ordered[0])
    assert torch.equal(prediction.runner_up_logit, ordered[1])
    torch.testing.assert_close(prediction.top_probability, logits.softmax(dim=0).amax(dim=0))
    assert prediction.n_classes == n_classes


def test_slabs_join_and_crop_to_the_whole() -> None:
    logits = torch.randn(4, 7, 3, 5, generator=torch.Generator().manual_seed(0))
    whole = Prediction.from_logits(logits)
    joined = Prediction.join([Prediction.from_logits(part) for part in logits.split((2, 4, 1), dim=1)])
    where = (slice(1, 6), slice(0, 2), slice(2, 5))
    for name in FIELDS:
        torch.testing.assert_close(getattr(joined, name), getattr(whole, name))
        assert torch.equal(getattr(whole.crop(where), name), getattr(whole, name)[where])
        assert getattr(whole.to("meta"), name).device.type == "meta"
    assert joined.n_classes == whole.crop(where).n_classes == whole.to("meta").n_classes == 4


def test_voxels_of_each_class_also_of_absent_ones() -> None:
    logits = torch.randn(6, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    logits[[2, 5]] = -99
    prediction = Prediction.from_logits(logits)
    assert prediction.voxels().tolist() == [int((prediction.labels == c).sum()) for c in range(6)]
    assert prediction.voxels()[[2, 5]].tolist() == [0, 0]
