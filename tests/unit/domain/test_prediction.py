"""A prediction from logits, by parts and cut to size."""

from __future__ import annotations

import pytest
import torch

from agg2exp.domain.prediction import Prediction, PredictionLayer
from agg2exp.inference import SlidingWindow, WindowedModel

FIELDS = ("label_map", "top_logit", "top_probability", "runner_up", "runner_up_logit")


def layer_of(logits: torch.Tensor) -> PredictionLayer:
    (layer,) = Prediction.from_logits(logits).layers
    return layer


@pytest.mark.parametrize("n_classes", [2, 3, 40])
def test_fields_are_those_of_sorted_logits(n_classes: int) -> None:
    logits = torch.randn(n_classes, 4, 3, 5, generator=torch.Generator().manual_seed(n_classes))
    prediction = layer_of(logits)
    ordered, index = logits.sort(dim=0, descending=True)
    assert torch.equal(prediction.label_map, index[0].to(torch.int16))
    assert torch.equal(prediction.runner_up, index[1].to(torch.int16))
    assert torch.equal(prediction.top_logit, ordered[0])
    assert torch.equal(prediction.runner_up_logit, ordered[1])
    torch.testing.assert_close(prediction.top_probability, logits.softmax(dim=0).amax(dim=0))
    assert prediction.n_classes == n_classes


@pytest.mark.parametrize("n_classes", [2, 3, 4, 17, 117])
def test_equal_logits_go_to_the_lowest_label_and_then_to_the_next(n_classes: int) -> None:
    prediction = layer_of(torch.zeros(n_classes, 3, 4, 5))
    assert (prediction.label_map == 0).all() and (prediction.runner_up == 1).all()
    assert (prediction.top_logit == 0).all() and (prediction.runner_up_logit == 0).all()
    torch.testing.assert_close(prediction.top_probability, torch.full((3, 4, 5), 1 / n_classes))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_classes", [2, 3, 17, 117])
def test_coarse_logits_give_the_label_that_argmax_gives(n_classes: int, dtype: torch.dtype) -> None:
    """A few levels, so that ties between any two, and of several classes, are everywhere; also at the second place."""
    generator = torch.Generator().manual_seed(n_classes)
    logits = torch.randint(-2, 3, (n_classes, 8, 9, 10), generator=generator).to(dtype)
    prediction = layer_of(logits)
    assert torch.equal(prediction.label_map.long(), logits.argmax(dim=0))
    order = logits.sort(dim=0, descending=True, stable=True).indices
    assert torch.equal(prediction.runner_up.long(), order[1])
    assert torch.equal(prediction.runner_up_logit, logits.gather(0, order[1:2])[0])


def test_a_network_that_ends_with_zeros_predicts_background_there() -> None:
    class Dead(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(torch.cat([x - 2, x - 2, x - 0.5, x - 0.5], dim=1))

    image = torch.rand(1, 9, 8, 7, generator=torch.Generator().manual_seed(0))
    prediction = WindowedModel(Dead(), SlidingWindow((8, 8, 8))).predict(image)
    assert torch.equal(prediction.label_map, torch.where(image[0] > 0.5, 2, 0).to(torch.int16))


def test_slabs_join_and_crop_to_the_whole() -> None:
    logits = torch.randn(4, 7, 3, 5, generator=torch.Generator().manual_seed(0))
    whole = Prediction.from_logits(logits)
    joined = Prediction.join([Prediction.from_logits(part) for part in logits.split((2, 4, 1), dim=1)])
    where = (slice(1, 6), slice(0, 2), slice(2, 5))
    for name in FIELDS:
        torch.testing.assert_close(getattr(joined.layers[0], name), getattr(whole.layers[0], name))
        assert torch.equal(getattr(whole.crop(where).layers[0], name), getattr(whole.layers[0], name)[where])
        assert getattr(whole.to("meta").layers[0], name).device.type == "meta"
    assert joined.n_classes == whole.crop(where).n_classes == whole.to("meta").n_classes == 4


def test_voxels_of_each_class_also_of_absent_ones() -> None:
    logits = torch.randn(6, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    logits[[2, 5]] = -99
    prediction = layer_of(logits)
    assert prediction.voxels().tolist() == [int((prediction.label_map == c).sum()) for c in range(6)]
    assert prediction.voxels()[[2, 5]].tolist() == [0, 0]
