"""SmoothGrad: identities, the formula with the same noise, captum's NoiseTunnel."""

from __future__ import annotations

import pytest
import torch
from captum.attr import NoiseTunnel, Saliency
from torch import Tensor

from agg2exp.attribution import SmoothGrad, VanillaGradient
from agg2exp.domain.errors import SettingError
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import SumScore
from tests.helpers.networks import LinearNetwork, ToyNetwork

RNG = KeyedRng(3, "case", "smoothgrad")
IMAGE = torch.rand(1, 10, 8, 9, generator=torch.Generator().manual_seed(0))


def model_of(batch: int = 2) -> WindowedModel:
    return WindowedModel(ToyNetwork(), SlidingWindow((8, 8, 8), batch=batch))


def test_one_sample_without_noise_is_the_gradient() -> None:
    model = model_of()
    scores = SumScore()(model.predict(IMAGE), (0, 1, 2, 3))
    smooth = SmoothGrad(n_samples=1, noise_level=0).compute(model, IMAGE, scores, RNG)
    assert torch.equal(smooth.values, VanillaGradient().compute(model, IMAGE, scores, RNG).values)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_mean_of_gradients_at_the_noisy_images(batch: int) -> None:
    model = model_of(batch)
    scores = SumScore()(model.predict(IMAGE), (0, 1, 2, 3))
    smooth = SmoothGrad(n_samples=5, noise_level=0.2).compute(model, IMAGE, scores, RNG)
    sigma = 0.2 * (IMAGE.max() - IMAGE.min())
    slow = torch.zeros(4, *IMAGE.shape)
    for i in range(5):
        noise = torch.randn(IMAGE.shape, generator=RNG.generator("noise", i))
        slow += model.gradient((IMAGE + sigma * noise)[None], scores) / 5
    assert torch.allclose(smooth.values, slow, rtol=1e-4, atol=1e-6)


def test_each_channel_has_noise_of_its_own_range() -> None:
    """Noise of one range for all would drown the quiet channel; where a channel is constant, there is none."""
    generator = torch.Generator().manual_seed(2)
    image = torch.rand(3, 8, 8, 8, generator=generator) * torch.tensor([1.0, 100.0, 0.0]).view(3, 1, 1, 1) + 5
    model = WindowedModel(ToyNetwork(channels=3), SlidingWindow((8, 8, 8)))
    scores = SumScore()(model.predict(image), (0, 1, 2, 3))
    smooth = SmoothGrad(n_samples=3, noise_level=0.2).compute(model, image, scores, RNG)
    slow = torch.zeros(4, *image.shape)
    for i in range(3):
        noisy = image.clone()
        noise = torch.randn(image.shape, generator=RNG.generator("noise", i))
        for c in range(3):
            noisy[c] += 0.2 * (image[c].max() - image[c].min()) * noise[c]
        assert torch.equal(noisy[2], image[2])
        slow += model.gradient(noisy[None], scores) / 3
    assert torch.allclose(smooth.values, slow, rtol=1e-4, atol=1e-5)


def test_agrees_with_captum_given_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.rand(1, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    model = model_of()
    prediction = model.predict(image)
    smooth = SmoothGrad(n_samples=4, noise_level=0.1).compute(model, image, SumScore()(prediction, (0, 1, 2, 3)), RNG)
    sigma = float(0.1 * (image.max() - image.min()))
    noise = torch.stack([torch.randn(image.shape, generator=RNG.generator("noise", i)) for i in range(4)])
    monkeypatch.setattr(torch, "normal", lambda mean, std: std * noise)  # captum draws all samples at once
    network = ToyNetwork().eval()

    def score(x: Tensor) -> Tensor:
        return torch.stack(
            [(network(x)[:, c] * (prediction.label_map == c)).sum(dim=(1, 2, 3)) for c in range(4)], dim=1
        )

    tunnel = NoiseTunnel(Saliency(score))
    for c in range(4):
        reference = tunnel.attribute(image[None], nt_type="smoothgrad", nt_samples=4, stdevs=sigma, target=c, abs=False)
        assert torch.allclose(smooth.dense(c), reference[0], rtol=1e-3, atol=1e-5)


def test_a_linear_network_is_not_changed_by_noise() -> None:
    model = WindowedModel(LinearNetwork([1.0, -2.0], [0.0, 1.0]), SlidingWindow((8, 8, 8)))
    scores = SumScore()(model.predict(IMAGE), (0, 1))
    smooth = SmoothGrad(n_samples=3, noise_level=0.5).compute(model, IMAGE, scores, RNG)
    assert torch.allclose(smooth.values, model.gradient(IMAGE[None], scores), rtol=1e-5, atol=1e-6)


def test_a_constant_image_gives_the_vanilla_gradient() -> None:
    model, image = model_of(), torch.full((1, 8, 8, 8), 0.5)
    scores = SumScore()(model.predict(image), (0, 1, 2, 3))
    smooth = SmoothGrad(n_samples=2).compute(model, image, scores, RNG)
    assert torch.allclose(smooth.values, model.gradient(image[None], scores), rtol=1e-5, atol=1e-6)


def test_noise_depends_on_seed_case_and_nothing_else() -> None:
    model = model_of()
    scores = SumScore()(model.predict(IMAGE), (0, 2))
    method = SmoothGrad(n_samples=2)
    first = method.compute(model, IMAGE, scores, KeyedRng(0, "a", "smoothgrad")).values
    torch.rand(17)
    assert torch.equal(first, method.compute(model, IMAGE, scores, KeyedRng(0, "a", "smoothgrad")).values)
    for other in (KeyedRng(1, "a", "smoothgrad"), KeyedRng(0, "b", "smoothgrad")):
        assert not torch.equal(first, method.compute(model, IMAGE, scores, other).values)


def test_passes_are_those_needed() -> None:
    model, image = model_of(), IMAGE[:, :8, :8, :8]
    scores = SumScore()(model.predict(image), (0, 1, 2, 3))
    present = len(scores.layers[0].label_map.unique())
    before = model.passes
    SmoothGrad(n_samples=4).compute(model, image, scores, RNG)
    assert model.passes.window_forwards - before.window_forwards == 4
    assert model.passes.window_backwards - before.window_backwards == 4 * present


@pytest.mark.parametrize("settings", [{"n_samples": 0}, {"n_samples": 2.5}, {"noise_level": -0.1}])
def test_wrong_settings_are_named(settings: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(settings))):
        SmoothGrad(**settings)
