"""Twins of a network: the same but for random weights."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from agg2exp.domain.errors import SettingError
from agg2exp.domain.rng import KeyedRng
from agg2exp.metrics.correlation import constant
from agg2exp.metrics.randomisation import Randomised, random_parameters


def check_twins(n: int, network: nn.Module) -> None:
    """Raise `SettingError` unless n twins can be made, and told from one another, of a network.

    How much twins differ is known from two on.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 0 or n == 1:
        raise SettingError("twins", n, "0 for none, or 2 or more (5 find what 3 overlook)")
    if n and all(constant(parameter.detach().flatten()) for parameter in network.parameters()):
        raise SettingError("twins", n, "0", "The network has no weights that could be drawn at random.")


def twins_of(network: nn.Module, n: int, seed: int) -> Iterator[nn.Module]:
    """n networks with random parameters (see `random_parameters`), the same ones for every case of a seed."""
    for twin in range(1, n + 1):
        yield Randomised(network, random_parameters(network, KeyedRng(seed, "every case", f"twin {twin}")))
