"""The networks that people use: gradients against automatic differentiation, and every method on two of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agg2exp.attribution import VanillaGradient
from agg2exp.inference import SlidingWindow
from tests.conformance.methods import Choice, choices, computed, dense, image_of, state_of
from tests.conformance.networks import NETWORKS, WINDOWS, segmentation_network
from tests.unit.inference.slow import relative, stitched_logits


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_is_that_of_automatic_differentiation(name: str) -> None:
    network, window = segmentation_network(name).train(), WINDOWS[name]
    image = image_of(shape=(*window[:2], window[2] + 5))
    before = state_of(network)
    attribution, model = computed(VanillaGradient(), network, image, classes=(0, 1, 2), settings=SlidingWindow(window))
    assert state_of(network) == before
    assert model.passes.window_forwards == 2

    x = image.clone().requires_grad_()
    logits = stitched_logits(network.eval(), x, SlidingWindow(window))
    labels = logits.argmax(dim=0)
    assert len(labels.unique()) >= 2
    for c in range(3):
        (expected,) = torch.autograd.grad(logits[c][labels == c].sum(), x, retain_graph=True)
        assert relative(attribution.dense(c), expected) < 1e-5


@pytest.mark.parametrize("name", ["unet", "unetr"])
@pytest.mark.parametrize("choice", list(choices()), ids=str)
def test_every_method_on_a_convolutional_network_and_on_a_transformer(choice: Choice, name: str) -> None:
    network, window = segmentation_network(name), WINDOWS[name]
    before = state_of(network)
    attribution, _ = computed(
        choice.method(), network, image_of(shape=window), classes=(0, 1, 2), settings=SlidingWindow(window)
    )
    maps: Tensor = dense(attribution)
    assert maps.shape == (3, 1, *window)
    assert maps.isfinite().all()
    assert maps.any()
    assert state_of(network) == before
