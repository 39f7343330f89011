"""Vanilla gradient: closed form, and captum's own."""

from __future__ import annotations

import torch
from captum.attr import Saliency
from torch import Tensor

from agg2exp.attribution import VanillaGradient
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import MeanScore, SumScore
from tests.helpers.networks import LinearNetwork, ToyNetwork

RNG = KeyedRng(0, "case", "vanilla_gradient")


def test_gradient_of_a_linear_network_is_its_slope_inside_the_mask() -> None:
    slopes, offsets = [1.0, -2.0, 3.0], [0.4, 1.0, -0.2]
    image = torch.rand(1, 9, 7, 12, generator=torch.Generator().manual_seed(0))
    model = WindowedModel(LinearNetwork(slopes, offsets), SlidingWindow((6, 6, 6), 0.5, "gaussian"))
    prediction = model.predict(image)
    assert len(prediction.label_map.unique()) == 3
    for score, scale in ((SumScore(), torch.ones(3)), (MeanScore(), prediction.voxels())):
        e = VanillaGradient().compute(model, image, score(prediction, (0, 1, 2)), RNG)
        for c, slope in enumerate(slopes):
            expected = slope * (prediction.label_map == c) / scale[c]
            assert torch.allclose(e.dense(c)[0], expected.float(), rtol=1e-5, atol=1e-7)


def test_agrees_with_captum_on_one_window() -> None:
    network = ToyNetwork().eval()
    image = torch.rand(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    model = WindowedModel(network, SlidingWindow((8, 8, 8)))
    prediction = model.predict(image)
    e = VanillaGradient().compute(model, image, SumScore()(prediction, (0, 1, 2, 3)), RNG)

    def score(x: Tensor) -> Tensor:
        return torch.stack(
            [(network(x)[:, c] * (prediction.label_map == c)).sum(dim=(1, 2, 3)) for c in range(4)], dim=1
        )

    for c in range(4):
        reference = Saliency(score).attribute(image[None].requires_grad_(), target=c, abs=False)
        assert torch.allclose(e.dense(c), reference[0], rtol=1e-4, atol=1e-5)


def test_a_class_alone_equals_the_class_with_all_others() -> None:
    image = torch.rand(1, 10, 9, 8, generator=torch.Generator().manual_seed(2))
    model = WindowedModel(ToyNetwork(), SlidingWindow((8, 8, 8), batch=2))
    prediction = model.predict(image)
    together = VanillaGradient().compute(model, image, SumScore()(prediction, (0, 1, 2, 3)), RNG)
    for c in range(4):
        alone = VanillaGradient().compute(model, image, SumScore()(prediction, (c,)), RNG)
        assert torch.allclose(alone.dense(0), together.dense(c), rtol=1e-5, atol=1e-7)
