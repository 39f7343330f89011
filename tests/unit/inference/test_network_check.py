"""What a network must be, found on one window and said in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from agg2exp.attribution import KernelShap, SmoothGrad, VanillaGradient
from agg2exp.domain.errors import SettingError
from agg2exp.explaining.memory_fallback import is_out_of_memory
from agg2exp.inference import NetworkError, SlidingWindow, WindowedModel
from agg2exp.inference.network_check import PASSES
from tests.conformance.networks import NETWORKS, WINDOWS, segmentation_network
from tests.helpers.networks import IntensityNetwork, LinearNetwork, ToyNetwork

WINDOW = SlidingWindow((8, 8, 8))
CONV = ToyNetwork(seed=5).eval()


class Doing(nn.Module):
    """Gives what a function of the input gives; a new object is a network never checked before."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.inner = CONV
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


def image(dtype: torch.dtype = torch.float32, channels: int = 1) -> Tensor:
    return torch.rand(channels, 8, 8, 8, generator=torch.Generator().manual_seed(0), dtype=dtype)


def refusal(function: Callable[[Tensor], Any], settings: SlidingWindow = WINDOW, x: Tensor | None = None) -> str:
    with pytest.raises(NetworkError) as caught:
        WindowedModel(Doing(function), settings).check(image() if x is None else x)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("function", "returned", "line"),
    [
        (lambda x: (CONV(x), None), "a tuple of (1, 4, 8, 8, 8), NoneType", "super().forward(x)[0]"),
        (lambda x: [CONV(x), CONV(x)[..., ::2]], "a list of (1, 4, 8, 8, 8), (1, 4, 8, 8, 4)", "super().forward(x)[0]"),
        (lambda x: {"out": CONV(x), "aux": x}, "a dict of 'out', 'aux'", "super().forward(x)['out']"),
        (lambda x: SimpleNamespace(name="unet", logits=CONV(x)), "a SimpleNamespace", "super().forward(x).logits"),
        (lambda x: None, "a NoneType", "return super().forward(x)"),
    ],
)
def test_several_outputs_are_refused_with_the_line_to_write(function: Any, returned: str, line: str) -> None:
    said = refusal(function)
    assert f"it returned {returned}." in said
    assert line in said


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: CONV(x)[:, :1], ["it returned (1, 1, 8, 8, 8)", 'head="sigmoid"']),
        (lambda x: CONV(x)[..., ::2], ["it returned (1, 4, 8, 8, 4)", "model.windows.size"]),
        (lambda x: CONV(x)[0], ["it returned (4, 8, 8, 8)"]),
        (lambda x: CONV(x).flatten(2), ["it returned (1, 4, 512)"]),
    ],
)
def test_outputs_of_another_shape(function: Any, words: list[str]) -> None:
    said = refusal(function)
    assert all(word in said for word in words)


def test_images_that_the_network_cannot_take() -> None:
    assert "weights are torch.float32, the image is torch.float64: hand over image.to(torch.float32)" in refusal(
        CONV, x=image(torch.float64)
    )
    assert "takes images of 1 channels, the image has 3" in refusal(CONV, x=image(channels=3))

    def strides(x: Tensor) -> Tensor:
        half = functional.avg_pool3d(x, 2, ceil_mode=False)
        return CONV(x + functional.interpolate(half, scale_factor=2.0))

    said = refusal(strides, SlidingWindow((8, 7, 8)))
    assert "cannot take a window of shape (1, 1, 8, 7, 8): RuntimeError: " in said
    assert "set model.windows.size" in said and "SlidingWindow((D, H, W))" in said


def changed_by_calls(by: float) -> Callable[[Tensor], Tensor]:
    calls: list[int] = []

    def function(x: Tensor) -> Tensor:
        calls.append(len(x))
        return CONV(x) * (1 + by * len(calls))

    return function


def remembering() -> Callable[[Tensor], Tensor]:
    seen: list[Tensor] = []

    def function(x: Tensor) -> Tensor:
        seen.append(x.mean())
        return CONV(x - torch.stack(seen).mean())

    return function


@pytest.mark.parametrize(
    "function",
    [
        lambda x: functional.dropout3d(CONV(x), 0.5),
        lambda x: CONV(functional.dropout(x, 0.05)),
        lambda x: CONV(x + 1e-3 * torch.randn_like(x)),
        changed_by_calls(1e-2),
        changed_by_calls(1e-4),
        remembering,
    ],
    ids=["dropout3d", "dropout", "noise", "counter", "slow counter", "memory"],
)
@pytest.mark.parametrize("batch", [1, 2])
def test_a_network_that_is_no_function_is_refused(function: Any, batch: int) -> None:
    function = function() if function is remembering else function  # a memory of its own
    said = refusal(function, SlidingWindow((8, 8, 8), batch=batch))
    assert "the network is no function: evaluated twice" in said
    assert "dropout" in said and "state" in said


@pytest.mark.parametrize(
    "function",
    [
        lambda x: CONV(functional.batch_norm(x, None, None, training=True)),
        lambda x: CONV(x - 0.5 * x.mean(dim=0, keepdim=True)),
        lambda x: CONV(x) / CONV(x).abs().max(),
        lambda x: CONV(x.flip(0)),
    ],
    ids=["batch norm", "mean of the batch", "largest of the batch", "another order"],
)
def test_windows_of_a_batch_that_influence_each_other_are_refused(function: Any) -> None:
    said = refusal(function)
    assert "windows of a batch influence each other" in said
    assert "model.windows.batch=1" in said
    assert WindowedModel(Doing(function), SlidingWindow((8, 8, 8), batch=1)).check(image()) == 4  # where they cannot


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_people_use_pass(name: str, precision: str) -> None:
    window = WINDOWS[name]
    x = torch.rand(1, *window, generator=torch.Generator().manual_seed(0))
    for content in (x, torch.zeros_like(x)):
        model = WindowedModel(segmentation_network(name), SlidingWindow(window, precision=precision))
        assert model.check(content) == 3
        assert (model.passes.window_forwards, model.passes.window_backwards) == (0, 0)  # not the method's passes


@pytest.mark.parametrize("network", [ToyNetwork, IntensityNetwork, lambda: LinearNetwork([1.0, 2.0], [0.0, 0.5])])
def test_a_network_is_checked_once_for_each_shape_and_left_as_found(network: Any) -> None:
    calls: list[int] = []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, x: Tensor) -> Tensor:
            calls.append(len(x))
            return self.inner(x)

    counting = Counting().train()
    wide = torch.rand(1, 8, 8, 30)
    state = torch.get_rng_state()
    for _ in range(3):
        WindowedModel(counting, WINDOW).check(image())
    assert calls == [1, 2, 1]
    WindowedModel(counting, WINDOW).check(wide)  # a window of the same shape
    assert calls == [1, 2, 1]
    WindowedModel(counting, SlidingWindow((6, 8, 8), batch=1)).check(image())
    assert calls == [1, 2, 1, *[1] * PASSES]
    assert counting.training and torch.equal(state, torch.get_rng_state())


def test_a_network_whose_layers_are_replaced_is_checked_again() -> None:
    network = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, 3, 1))
    method = VanillaGradient()
    method.attribute(network, image(), head="softmax")
    for n in (2, 5):
        network[1] = nn.Conv3d(4, n, 1)
        assert len(method.attribute(network, image(), head="softmax").values) == n
        with pytest.raises(SettingError, match=f"label indices 0 to {n - 1}"):
            method.attribute(network, image(), n, head="softmax")
    network.append(Doing(lambda x: functional.dropout3d(x, 0.5)))
    with pytest.raises(NetworkError, match="is no function"):
        method.attribute(network, image(), head="softmax")


@pytest.mark.parametrize("batch", [1, 2])
def test_logits_of_an_earlier_call_are_refused(batch: int) -> None:
    kept: dict[int, Tensor] = {}
    said = refusal(
        lambda x: kept.setdefault(len(x), CONV(x[:1]).expand(len(x), -1, -1, -1, -1)),
        SlidingWindow((8, 8, 8), batch=batch),
    )
    assert "does not look at its input" in said


@pytest.mark.parametrize("batch", [1, 2])
def test_networks_that_say_the_same_everywhere_pass(batch: int) -> None:
    zeros = nn.Conv3d(1, 3, 3, padding=1)
    nn.init.zeros_(zeros.weight)
    background = nn.Conv3d(1, 3, 3, padding=1)
    nn.init.constant_(background.bias, 0.0)
    background.bias.data[0] = 100
    for network in (zeros, background):
        assert WindowedModel(network, SlidingWindow((8, 8, 8), batch=batch)).check(image()) == 3


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64, torch.bool])
def test_outputs_that_are_no_logits_are_refused(dtype: torch.dtype) -> None:
    assert f"it returned {dtype}" in refusal(lambda x: CONV(x).to(dtype))


def test_logits_that_are_not_finite_are_a_matter_of_the_case() -> None:
    network = ToyNetwork()
    assert WindowedModel(network, WINDOW).check(image() * torch.nan) == 0
    assert WindowedModel(network, WINDOW).check(image()) == 4


@pytest.mark.parametrize("method", [VanillaGradient(), SmoothGrad(n_samples=2)])
def test_a_network_that_changes_its_input_is_explained(method: Any) -> None:
    expected = method.attribute(Doing(lambda x: CONV(functional.relu(x - 0.5))), image(), 1).values
    first = nn.Sequential(nn.ReLU(inplace=True), CONV)
    inplace = [Doing(lambda x: CONV(x.sub_(0.5).relu_())), Doing(lambda x: first(x.sub_(0.5)))]
    for network in inplace:
        before = image()
        found = method.attribute(network, before, 1).values
        torch.testing.assert_close(found, expected)
        assert torch.equal(before, image())


def test_gradients_that_the_network_or_the_caller_forbids() -> None:
    mask = (torch.arange(8) // 4)[:, None, None].expand(8, 8, 8).contiguous()
    silent = Doing(torch.no_grad()(CONV.forward))
    with pytest.raises(NetworkError, match=r"has no gradient.*torch\.no_grad"):
        VanillaGradient().attribute(silent, image(), 1)
    assert KernelShap(n_samples=4).attribute(silent, image(), 1, feature_mask=mask).dense(0).any()
    with torch.inference_mode(), pytest.raises(NetworkError, match=r"inference_mode"):
        VanillaGradient().attribute(Doing(CONV.forward), image(), 1)


def test_memory_that_runs_out_stays_what_it_is() -> None:
    def full(x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError) as caught:
        WindowedModel(Doing(full), WINDOW).check(image())
    assert is_out_of_memory(caught.value)
