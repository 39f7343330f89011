"""A prediction from logits, by parts and cut to size."""

from __future__ import annotations

import pytest
import torch

from agg2exp.domain.errors import SettingError
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


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_a_prediction_returns_from_its_arrays(head: str) -> None:
    logits = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    prediction = Prediction.from_logits(logits, head)
    arrays = prediction.to_arrays()
    back = Prediction.from_arrays(arrays, 3)
    assert back.head == head and len(back.layers) == len(prediction.layers)
    for own, other in zip(prediction.layers, back.layers, strict=True):
        assert own.n_classes == other.n_classes == 3
        assert own.volumes().keys() == other.volumes().keys()
        assert all(torch.equal(volume, other.volumes()[name]) for name, volume in own.volumes().items())
    per_voxel = sum(array.nbytes for array in arrays.values()) / 120
    assert per_voxel == (16 if head == "softmax" else 4 * 3)


@pytest.mark.parametrize("n_classes", [1, 3])
def test_overlapping_slabs_join_and_crop_to_the_whole(n_classes: int) -> None:
    logits = torch.randn(n_classes, 7, 3, 5, generator=torch.Generator().manual_seed(0))
    whole = Prediction.from_logits(logits, "sigmoid")
    joined = Prediction.join([Prediction.from_logits(part, "sigmoid") for part in logits.split((2, 4, 1), dim=1)])
    where = (slice(1, 6), slice(0, 2), slice(2, 5))
    assert torch.equal(joined.masks.bits, logits > 0)
    assert torch.equal(joined.crop(where).masks.bits, whole.masks.bits[(slice(None), *where)])
    assert joined.head == whole.crop(where).head == whole.to("meta").head == whole.copy().head == "sigmoid"
    assert whole.device.type == "cpu" and whole.to("meta").device.type == "meta"
    logits.fill_(-1)  # the engine uses its buffer again
    assert torch.equal(whole.layers[0].top_logit, joined.layers[0].top_logit)


def test_a_logit_of_zero_is_outside_as_it_is_for_a_softmax_over_0_and_it() -> None:
    logits = torch.tensor([-1.0, 0.0, 1.0]).reshape(1, 1, 1, 3)
    region = Prediction.from_logits(logits, "sigmoid").masks.mask(0)
    two = Prediction.from_logits(torch.cat([torch.zeros_like(logits), logits])).masks.mask(1)
    assert region.flatten().tolist() == two.flatten().tolist() == [False, False, True]


def test_regions_that_overlap_are_no_label_map() -> None:
    prediction = Prediction.from_logits(torch.zeros(2, 3, 4, 5), "sigmoid")
    with pytest.raises(SettingError, match="head: expected softmax: regions that may overlap are no label map"):
        _ = prediction.label_map
