"""Randomisation: SciPy on the randomised network, methods that ignore the network, and that nothing is left changed."""

from __future__ import annotations

import copy
import logging

import pytest
import scipy.stats
import torch
from torch import Tensor, nn

from agg2exp.attribution import SmoothGrad, VanillaGradient
from agg2exp.domain.rng import KeyedRng
from agg2exp.metrics import Randomisation
from agg2exp.metrics.randomisation import Randomised, random_parameters
from tests.unit.metrics.toy import SHAPE, Fixed, OfImage, evaluation, random_image, toy_network

RNG = KeyedRng(0, "s0001", "randomisation")


@pytest.mark.parametrize("method", [VanillaGradient(), SmoothGrad(n_samples=2)])
def test_is_the_rank_correlation_with_a_copy_that_has_other_weights(method) -> None:
    network = toy_network()
    case = evaluation(network, random_image(), method)
    found = Randomisation().evaluate(case)["randomisation"]

    other = copy.deepcopy(network)
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            noise = torch.randn(parameter.shape, generator=RNG.generator(f"network.{name}"))
            parameter.copy_(parameter.mean() + parameter.std(correction=0) * noise)
    attribution = case.attribute(network=other)
    for k in range(4):
        a, b = (x.dense(k).abs().flatten().numpy() for x in (case.attribution, attribution))
        assert float(found[k]) == pytest.approx(scipy.stats.spearmanr(a, b).statistic, abs=1e-6)
    assert float(found.max()) < 0.95


def test_attribution_that_ignores_the_network_is_1() -> None:
    case = evaluation(toy_network(), random_image(), OfImage(lambda x: x - 0.5))
    assert Randomisation().evaluate(case)["randomisation"].tolist() == pytest.approx([1] * 4, abs=1e-12)


def test_signs_do_not_matter() -> None:
    case = evaluation(toy_network(), random_image(), OfImage(lambda x: x - 0.5))
    signs = torch.randn(4, 1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64).sign()
    flipped = evaluation(toy_network(), random_image(), Fixed(case.attribution.values * signs))
    object.__setattr__(flipped, "attribute", case.attribute)
    assert Randomisation().evaluate(flipped)["randomisation"].tolist() == pytest.approx([1] * 4, abs=1e-12)


def test_network_is_left_as_it_was_also_after_an_error() -> None:
    network = toy_network().train()
    case = evaluation(network, random_image())
    network.train()
    before = {name: (t, t.clone(), t.requires_grad) for name, t in network.state_dict(keep_vars=True).items()}

    def check() -> None:
        for name, now in network.state_dict(keep_vars=True).items():
            was, values, grad = before[name]
            assert now is was
            assert torch.equal(now, values)
            assert now.requires_grad == grad
        assert all(module.training for module in network.modules())

    Randomisation().evaluate(case)
    check()
    network.norm.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Randomisation().evaluate(case)
    check()


def test_passes_are_counted_with_those_of_the_model() -> None:
    case = evaluation(toy_network(), random_image())
    before = case.model.passes
    case.attribute()
    once = case.model.passes - before
    Randomisation().evaluate(case)
    assert case.model.passes - before == once + once


def test_parameters_keep_mean_and_spread_and_have_their_own_numbers() -> None:
    network = nn.Sequential(nn.Linear(200, 100), nn.BatchNorm1d(100), nn.PReLU(), nn.Linear(100, 200, bias=False))
    with torch.no_grad():
        network[0].weight.mul_(3).add_(1)
        network[3].weight.copy_(network[0].weight.T.reshape(200, 100))
    drawn = random_parameters(network, RNG)
    assert set(drawn) == {name for name, _ in network.named_parameters()}
    for name, parameter in network.named_parameters():
        assert drawn[name].shape == parameter.shape
        assert not drawn[name].requires_grad
    old, new = network[0].weight.detach(), drawn["0.weight"]
    assert float(new.mean()) == pytest.approx(float(old.mean()), abs=0.01)
    assert float(new.std()) == pytest.approx(float(old.std()), rel=0.02)
    assert not torch.equal(drawn["0.weight"].flatten(), drawn["3.weight"].flatten())
    assert drawn["2.weight"].tolist() == [0.25]  # one slope has no spread
    assert drawn["1.weight"].tolist() == [1.0] * 100
    again = random_parameters(network, RNG)
    assert all(torch.equal(again[name], drawn[name]) for name in drawn)
    assert not torch.equal(random_parameters(network, KeyedRng(1, "s0001", "randomisation"))["0.weight"], new)


def test_shared_weights_stay_shared() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 3, bias=False)
            self.b = nn.Linear(3, 3, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) - self.b(x)

    network = Tied()
    random = Randomised(network, random_parameters(network, RNG))
    assert not bool(random(torch.randn(2, 3)).any())


def test_nothing_to_randomise_is_nan(caplog: pytest.LogCaptureFixture) -> None:
    class Frozen(nn.Module):
        """Logits without parameters."""

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x, 1 - x], dim=1)

    case = evaluation(Frozen(), random_image(), classes=(0, 1))
    with caplog.at_level(logging.INFO):
        found = Randomisation().evaluate(case)["randomisation"]
    assert bool(found.isnan().all())
    assert "no parameter of the network can be randomised" in caplog.text


def test_absent_and_flat_are_nan() -> None:
    network = toy_network()
    network.last.bias.data[2] = -1e3
    values = torch.rand(4, 1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[0], values[1] = 0, -0.5
    found = Randomisation().evaluate(evaluation(network, random_image(), Fixed(values)))["randomisation"]
    assert found.isnan().tolist() == [True, True, True, False]
