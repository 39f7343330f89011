"""Networks of independent channels are told from those whose classes exclude each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from agg2exp.attribution import VanillaGradient
from agg2exp.domain.labels import Labels
from agg2exp.domain.prediction import Prediction
from agg2exp.inference import NetworkError, SlidingWindow, WindowedModel, check_head
from agg2exp.inference.head import denied_share
from agg2exp.run.module import ExplanationModule
from agg2exp.scores import SumScore
from tests.conformance.networks import NETWORKS, WINDOWS, segmentation_network
from tests.helpers.explanations import module_of, scheme, small_case

SIDE = 16


def scans(n: int, overlapping: bool) -> tuple[Tensor, Tensor]:
    """n images (n, 1, D, H, W) of three bright boxes, and their masks (n, 3, D, H, W)."""
    generator = torch.Generator().manual_seed(0)
    x, y = 0.1 * torch.rand(n, 1, SIDE, SIDE, SIDE, generator=generator), torch.zeros(n, 3, SIDE, SIDE, SIDE)
    for i in range(n):
        place = torch.randint(0, 6, (3,), generator=generator).tolist()
        for c in range(3):
            at = [0, 2, 4] if overlapping else [0, 4, 8]
            d, h, w = (p + (at[c] if axis == 0 or overlapping else 0) for axis, p in enumerate(place))
            size = 8 - 3 * c if overlapping else 3
            y[i, c, d : d + size, h : h + size, w : w + size] = 1
        x[i, 0] += (y[i] * torch.tensor([0.3, 0.3, 0.3] if overlapping else [0.3, 0.6, 0.9]).view(3, 1, 1, 1)).sum(0)
    return x, y


def trained(head: str, overlapping: bool = False, dice: bool = False, steps: int = 150) -> tuple[nn.Module, Tensor]:
    """A small network fitted to the boxes, and an image that it has not seen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        out = 4 if head == "softmax" else 3
        network = nn.Sequential(
            nn.Conv3d(1, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU(), nn.Conv3d(8, out, 3, padding=1)
        )
    x, y = scans(7, overlapping)
    if head == "softmax":
        y = torch.cat([1 - y.amax(1, keepdim=True), y], dim=1)
    optimizer = torch.optim.Adam(network.parameters(), 2e-2)
    for step in range(steps):
        at = [step % 6, (step + 1) % 6]
        f, truth = network(x[at]), y[at]
        p = f.softmax(1) if head == "softmax" else f.sigmoid()
        if head == "softmax":
            loss = functional.cross_entropy(f, truth.argmax(1))
        else:
            loss = functional.binary_cross_entropy_with_logits(f, truth)
        if dice:
            both = (p * truth).sum((2, 3, 4))
            loss = loss + 1 - ((2 * both + 1) / (p.sum((2, 3, 4)) + truth.sum((2, 3, 4)) + 1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval(), x[6]


@pytest.mark.parametrize("dice", [False, True], ids=["cross-entropy", "Dice too"])
@pytest.mark.parametrize("overlapping", [False, True], ids=["apart", "overlapping"])
def test_a_network_trained_with_sigmoids_is_refused_and_its_softmax_twin_is_not(overlapping: bool, dice: bool) -> None:
    network, image = trained("sigmoid", overlapping, dice)
    with pytest.raises(NetworkError, match=r"channels look independent.*`head: sigmoid`.*`head: softmax`"):
        VanillaGradient().attribute(network, image, 1)
    assert VanillaGradient().attribute(network, image, 1, head="softmax").dense(0).shape == image.shape
    if overlapping:
        with pytest.raises(NetworkError, match="channels look independent"):
            VanillaGradient().attribute(nn.Sequential(network, nn.Sigmoid()), image, 1)
    else:
        twin, _ = trained("softmax", dice=dice)
        assert VanillaGradient().attribute(twin, image, 1).dense(0).any()


@pytest.mark.parametrize("overlapping", [False, True], ids=["apart", "overlapping"])
def test_the_advice_for_a_network_trained_with_sigmoids_works(overlapping: bool) -> None:
    network, image = trained("sigmoid", overlapping)
    e = VanillaGradient().attribute(network, image, head="sigmoid")
    assert e.dense(1).any() and (e.notes["predicted_voxels"] < 0.2 * image.numel()).all()
    with pytest.raises(NetworkError, match=r"all within \[0, 1\].*return logits"):
        VanillaGradient().attribute(nn.Sequential(network, nn.Sigmoid()), image, head="sigmoid")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NETWORKS)
def test_random_weights_are_no_alarm(name: str, seed: int) -> None:
    x = torch.rand(1, 1, *WINDOWS[name], generator=torch.Generator().manual_seed(seed))
    for content in (x, x / 10, torch.zeros_like(x)):
        with torch.no_grad():
            prediction = Prediction.from_logits(segmentation_network(name, seed).eval()(content)[0])
        assert denied_share(prediction) < 0.01
        check_head(prediction)


@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_what_is_counted(shift: float) -> None:
    logits = torch.full((3, 4, 5, 10), -5.0)
    logits[1, ..., :9] = 4.0
    assert denied_share(Prediction.from_logits(logits)) == pytest.approx(0.1)
    assert denied_share(Prediction.from_logits(logits + shift)) == (0.0 if shift else pytest.approx(0.1))
    check_head(Prediction.from_logits(logits))
    logits[..., 7:] = -2.5
    with pytest.raises(NetworkError, match=r"in 30% of the voxels"):
        check_head(Prediction.from_logits(logits))


def test_a_run_tests_its_first_prediction_unless_the_model_says_softmax() -> None:
    class Sigmoid(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([20 * (x - level) for level in (0.6, 0.7, 0.8, 0.9)], dim=1)

    def module(head: str | None) -> ExplanationModule:
        window = SlidingWindow((9, 8, 7))
        labels = Labels(("nothing", *scheme().structures))
        return module_of(Sigmoid(), VanillaGradient(), SumScore(), window, labels, head=head)

    asking = module(None)
    for _ in range(2):  # a case that is refused leaves the question open
        with pytest.raises(NetworkError, match="channels look independent"):
            asking.predict_step(small_case(), 0)
    assert module("softmax").explain(small_case()).case_id == "a"
    assert module("sigmoid").explain(small_case()).prediction.head == "sigmoid"
    with pytest.raises(ValueError, match="head: expected one of 'softmax', 'sigmoid', got 'tanh'"):
        module("tanh")


@pytest.mark.parametrize("n", [2, 17, 117])
@pytest.mark.parametrize("last", [nn.LogSoftmax(1), nn.Softmax(1)], ids=["log-softmax", "softmax"])
@pytest.mark.parametrize("overlap", [0.25, 0.6])
def test_any_number_of_classes_that_share_one_probability_is_allowed(n: int, last: nn.Module, overlap: float) -> None:
    x = torch.rand(1, SIDE, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    x[:, :, :, : SIDE // 2] *= 30  # sure in one half, at a loss in the other
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv3d(1, n, 3, padding=1), last)
    prediction = WindowedModel(network, SlidingWindow((8, 8, 8), overlap=overlap)).predict(x)
    assert n < 117 or bool((prediction.layers[0].top_probability < 0.11).any())
    assert denied_share(prediction) == 0


@pytest.mark.parametrize("n", [3, 117])
def test_many_channels_that_all_deny_are_found_as_probabilities_too(n: int) -> None:
    logits = torch.full((n, 8, 8, 8), -7.0)
    logits[1, 0] = 4.0
    assert denied_share(Prediction.from_logits(logits)) == 7 / 8
    assert denied_share(Prediction.from_logits(logits.sigmoid())) == 7 / 8
