"""Input times gradient: closed form, and captum's own."""

from __future__ import annotations

import torch
from captum.attr import InputXGradient as CaptumInputXGradient
from torch import Tensor

from agg2exp.attribution import InputXGradient, IntegratedGradients
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import SumScore
from tests.helpers.networks import LinearNetwork, ToyNetwork

RNG = KeyedRng(0, "case", "input_x_gradient")


def test_of_a_linear_network_is_its_slope_times_the_image_inside_the_mask() -> None:
    slopes, offsets = [1.0, -2.0, 3.0], [0.4, 1.0, -0.2]
    image = torch.rand(1, 9, 7, 4, generator=torch.Generator().manual_seed(0))  # several windows, and padding
    model = WindowedModel(LinearNetwork(slopes, offsets), SlidingWindow((6, 6, 6), 0.5, "gaussian"))
    prediction = model.predict(image)
    scores = SumScore()(prediction, (0, 1, 2))
    before = image.clone()
    e = InputXGradient().compute(model, image, scores, RNG)
    assert torch.equal(image, before)
    for c, slope in enumerate(slopes):
        expected = slope * image[0] * (prediction.label_map == c)
        assert torch.allclose(e.dense(c)[0], expected, rtol=1e-5, atol=1e-7)
    # there Σe is the score without its offsets, and integrated gradients from 0 are the same
    voxels = torch.bincount(prediction.label_map.flatten().long(), minlength=3)
    without_offsets = model.scores(image[None], scores)[0] - voxels * torch.tensor(offsets)
    assert torch.allclose(e.values.double().sum(dim=(1, 2, 3, 4)), without_offsets, rtol=1e-5)
    path = IntegratedGradients(n_steps=3).compute(model, image, scores, RNG)
    assert torch.allclose(path.values, e.values, rtol=1e-5, atol=1e-7)


def test_agrees_with_captum_on_one_window() -> None:
    network = ToyNetwork(channels=2).eval()
    image = torch.rand(2, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    model = WindowedModel(network, SlidingWindow((8, 8, 8)))
    prediction = model.predict(image)
    e = InputXGradient().compute(model, image, SumScore()(prediction, (0, 1, 2, 3)), RNG)

    def score(x: Tensor) -> Tensor:
        return torch.stack(
            [(network(x)[:, c] * (prediction.label_map == c)).sum(dim=(1, 2, 3)) for c in range(4)], dim=1
        )

    for c in range(4):
        reference = CaptumInputXGradient(score).attribute(image[None].requires_grad_(), target=c)
        assert torch.allclose(e.dense(c), reference[0].detach(), rtol=1e-4, atol=1e-5)


def test_one_forward_per_window_serves_all_classes() -> None:
    image = torch.rand(1, 10, 8, 9, generator=torch.Generator().manual_seed(0))
    model = WindowedModel(ToyNetwork(), SlidingWindow((8, 8, 8)))
    scores = SumScore()(model.predict(image), (0, 1, 2, 3))
    before = model.passes.window_forwards
    InputXGradient().compute(model, image, scores, RNG)
    assert model.passes.window_forwards - before == len(model.plan(image).windows)
