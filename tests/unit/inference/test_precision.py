"""Half precision: close to float32, and never at the price of gradients that vanish."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets import UNet
from torch import Tensor, nn

from agg2exp.domain.class_scores import ClassScores
from agg2exp.domain.description import described
from agg2exp.domain.errors import SettingError
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import MarginScore, MeanScore, SumScore
from tests.helpers.networks import ToyNetwork
from tests.unit.inference.slow import relative

ALL = (0, 1, 2, 3)
# Relative error of a class's gradient: up to 0.021 and 0.016 on one CPU, 0.062 and 0.009 on another, which has
# instructions for both (AMX, AVX512-FP16); a mask of few voxels is the worst.
GRADIENT = {"bfloat16": 0.1, "float16": 0.03}
VALUE = {"bfloat16": 0.01, "float16": 0.001}  # up to 0.0022 and 0.00025


def unet() -> nn.Module:
    torch.manual_seed(0)
    return UNet(3, 1, 4, (4, 8), (2,), num_res_units=1, norm="batch")


def windows(precision: str, window: int = 8) -> SlidingWindow:
    return SlidingWindow((window,) * 3, precision=precision)


def image_of(edge: int) -> Tensor:
    return torch.rand(1, edge, edge, edge, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("network", [ToyNetwork(), unet()], ids=["toy", "unet"])
def test_half_precision_is_close_and_results_stay_in_float32(network: nn.Module, precision: str) -> None:
    image = image_of(12)
    full, half = (WindowedModel(network, windows(p)) for p in ("float32", precision))
    for score in (SumScore(), MarginScore()):
        scores = score(full.predict(image), ALL)
        expected, found = (m.gradient(image[None], scores) for m in (full, half))
        assert found.dtype == torch.float32
        assert not torch.equal(found, expected)  # it did run in half precision
        assert all(relative(found[k], expected[k]) < GRADIENT[precision] for k in ALL)
    scores = SumScore()(full.predict(image), ALL)
    expected, found = (m.scores(image[None], scores) for m in (full, half))
    assert found.dtype == torch.float64
    assert relative(found, expected) < VALUE[precision]
    prediction = half.predict(image)
    assert prediction.layers[0].top_logit.dtype == torch.float32
    assert float((prediction.label_map == scores.layers[0].label_map).float().mean()) > 0.99


def tiny_and_usual(image: Tensor, model: WindowedModel, exponent: int) -> tuple[Tensor, Tensor]:
    """Gradients of ⟨1, f⟩ and of ⟨2^exponent, f⟩, the latter multiplied back."""
    prediction = model.predict(image)
    usual = ClassScores.of(ALL, prediction.label_map, torch.ones_like(prediction.layers[0].top_logit))
    tiny = ClassScores.of(ALL, prediction.label_map, usual.layers[0].weights * 2.0**exponent)
    return model.gradient(image[None], tiny) * 2.0**-exponent, model.gradient(image[None], usual)


@pytest.mark.parametrize("exponent", [-12, -24, -40])
def test_small_weights_do_not_vanish_in_float16(exponent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean over 2^24 voxels has weights that float16 rounds to zero."""
    image = image_of(12)
    model = WindowedModel(ToyNetwork(), windows("float16"))
    tiny, usual = tiny_and_usual(image, model, exponent)
    assert usual.any()
    assert torch.equal(tiny, usual)
    monkeypatch.setattr(SlidingWindow, "scale", lambda self, cotangent: 1.0)
    unscaled, same = tiny_and_usual(image, model, exponent)
    assert relative(same, usual) < 1e-3
    if exponent == -40:
        assert not unscaled.any()
    elif exponent == -24:
        assert relative(unscaled, usual) > 0.3
    else:  # some digits are lost; how many depends on the CPU
        assert not torch.equal(unscaled, usual)


def test_mean_score_in_float16_has_as_many_digits_as_the_sum() -> None:
    image = image_of(20)
    full, half = (WindowedModel(ToyNetwork(), windows(p, 20)) for p in ("float32", "float16"))
    prediction = full.predict(image)
    errors = [
        relative(half.gradient(image[None], s), full.gradient(image[None], s))
        for s in (score(prediction, (3,)) for score in (SumScore(), MeanScore()))
    ]
    assert errors[1] == pytest.approx(errors[0], rel=0.5)
    assert errors[1] < 0.002


def test_float32_is_plain_automatic_differentiation_bit_for_bit() -> None:
    image, network = image_of(8), ToyNetwork().eval()
    model = WindowedModel(network, windows("float32"))
    scores = SumScore()(model.predict(image), ALL)
    weights = ClassScores.of(ALL, scores.layers[0].label_map, scores.layers[0].weights * 3e-9)
    x = image[None].clone().requires_grad_()
    logits = network(x)
    for c, gradient in enumerate(model.gradient(image[None], weights)):
        cotangent = torch.zeros_like(logits)
        cotangent[0, c] = torch.where(scores.layers[0].label_map == c, weights.layers[0].weights, 0)
        (expected,) = torch.autograd.grad(logits, x, cotangent, retain_graph=True)
        assert torch.equal(gradient, expected[0])
    with torch.autocast("cpu", dtype=torch.bfloat16):  # whoever calls
        assert torch.equal(model.gradient(image[None], weights)[3], gradient)


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(SettingError, match="precision: expected one of 'float32', 'bfloat16', 'float16', got 'half'"):
        windows("half")
    assert described(windows("bfloat16"))["precision"] == "bfloat16"
