"""The same words mean the same thing, other words another one."""

import collections
import enum
import fractions
import functools
import logging
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from agg2exp.domain.description import code_of_network, described, text
from agg2exp.domain.errors import SettingError

LARGE = torch.arange(5000.0)


class Words(dict[str, int]):
    """A dict that knows more than its entries."""

    def __init__(self, entries: dict[str, int], factor: int) -> None:
        super().__init__(entries)
        self.factor = factor


class Points(list[int]):
    def __init__(self, entries: list[int], factor: int) -> None:
        super().__init__(entries)
        self.factor = factor


Pair = collections.namedtuple("Pair", ["first", "second"])


class Kind(enum.Enum):
    ONE = 1


class Plain:
    def __init__(self, edge: int = 3, table: object = None) -> None:
        self.edge, self.table = edge, table

    @cached_property
    def corner(self) -> int:
        return self.edge**3


class Private:
    def __init__(self, edge: int = 3) -> None:
        self._edge = edge
        self._calls = 0


class Transformed:
    def __init__(self, millimetres: float, spacing: float = 1.5) -> None:
        self._voxels = millimetres / spacing


class Slotted:
    __slots__ = ("edge",)

    def __init__(self, edge: int) -> None:
        self.edge = edge


@dataclass(frozen=True)
class Record:
    values: torch.Tensor
    name: str = "a"


class Learned(nn.Module):
    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor
        self.layer = nn.Conv3d(1, 1, 1)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)


class Collected:
    """What it was given is kept under other names."""

    def __init__(self, *edges: int, **named: int) -> None:
        self._edges, self._first = edges, named.get("first")

    def scaled(self, x: int) -> int:
        return x * self._edges[0]


class Hidden(Learned):
    def __init__(self, factor: float = 1.0, volume: float = 1.0) -> None:
        super().__init__()
        self._factor = factor
        self.register_buffer("volume", torch.full((3,), volume), persistent=False)


def hooked(factor: float) -> nn.Module:
    network = Learned()
    network.layer.register_forward_hook(lambda module, given, logits: factor * logits)
    return network


def cached(factor: float) -> object:
    @functools.lru_cache
    def scaled(x: float) -> float:
        return factor * x

    return scaled


def closed(by: object) -> object:
    class Closed:
        def __call__(self, x: float) -> object:
            return x, by

    return Closed()


def changed(tensor: torch.Tensor, at: int = 2500) -> torch.Tensor:
    """Where an abbreviated print shows nothing."""
    other = tensor.clone()
    other[at] += 1
    return other


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (Plain(3), Plain(3), Plain(4)),
        (Plain(table=LARGE), Plain(table=LARGE.clone()), Plain(table=changed(LARGE))),
        (Plain(table=LARGE.numpy()), Plain(table=LARGE.numpy().copy()), Plain(table=changed(LARGE).numpy())),
        (Plain(table=LARGE), Plain(table=LARGE.clone()), Plain(table=LARGE.double())),
        (Plain(table={"a": LARGE, "b": 1}), Plain(table={"b": 1, "a": LARGE}), Plain(table={"b": 1, "a": -LARGE})),
        (Plain(table=[Private(3)]), Plain(table=[Private(3)]), Plain(table=[Private(4)])),
        (Plain(table={"x", "y"}), Plain(table={"y", "x"}), Plain(table={"x"})),
        (Plain(table=1), Plain(table=1), Plain(table="1")),
        (Plain(table=functools.partial(max, 2)), Plain(table=functools.partial(max, 2)),
         Plain(table=functools.partial(max, 3))),
        (Plain(table=torch.relu), Plain(table=torch.relu), Plain(table=torch.tanh)),
        (Plain(table=Kind.ONE), Plain(table=Kind.ONE), Plain(table=1)),
        (Private(3), Private(3), Private(4)),
        (Transformed(3), Transformed(3), Transformed(4)),
        (Slotted(3), Slotted(3), Slotted(4)),
        (Record(LARGE), Record(LARGE.clone()), Record(changed(LARGE))),
        (Record(LARGE.bfloat16()), Record(LARGE.bfloat16()), Record(changed(LARGE, 2).bfloat16())),
        (Learned(1.0), Learned(1.0), Learned(2.0)),
        (Collected(1), Collected(1), Collected(2)),
        (Collected(first=1), Collected(first=1), Collected(first=2)),
        (Plain(table=Collected(1).scaled), Plain(table=Collected(1).scaled), Plain(table=Collected(2).scaled)),
        (Plain(table=Hidden(2.0)), Plain(table=Hidden(2.0)), Plain(table=Hidden(3.0))),
        (Plain(table=Hidden(volume=2.0)), Plain(table=Hidden(volume=2.0)), Plain(table=Hidden(volume=3.0))),
        (Plain(table=cached(2.0)), Plain(table=cached(2.0)), Plain(table=cached(3.0))),
        (closed([2.0]), closed([2.0]), closed([3.0])),
        (closed(cached(2.0)), closed(cached(2.0)), closed(cached(3.0))),
        (closed(Private(3)), closed(Private(3)), closed(Private(4))),
        (Plain(table=collections.defaultdict(functools.partial(int, 2))),
         Plain(table=collections.defaultdict(functools.partial(int, 2))),
         Plain(table=collections.defaultdict(functools.partial(int, 3)))),
        (Plain(table=np.mean), Plain(table=np.mean), Plain(table=np.median)),
        (Plain(table=np.add), Plain(table=np.add), Plain(table=np.subtract)),
        (Plain(table=fractions.Fraction(1, 3)), Plain(table=fractions.Fraction(1, 3)),
         Plain(table=fractions.Fraction(2, 3))),
        (Plain(table=Words({"a": 1}, 2)), Plain(table=Words({"a": 1}, 2)), Plain(table=Words({"a": 1}, 3))),
        (Plain(table=Points([1], 2)), Plain(table=Points([1], 2)), Plain(table=Points([1], 3))),
        (Plain(table=Pair(1, 2)), Plain(table=Pair(1, 2)), Plain(table=Pair(1, 3))),
        (Plain(table=[1].count), Plain(table=[1].count), Plain(table=[2].count)),
        (Plain(table=np.ma.array([1, 2], mask=[0, 1])), Plain(table=np.ma.array([1, 2], mask=[0, 1])),
         Plain(table=np.ma.array([1, 2], mask=[1, 0]))),
        (Plain(table=pd.DataFrame({"a": LARGE.numpy()})), Plain(table=pd.DataFrame({"a": LARGE.numpy()})),
         Plain(table=pd.DataFrame({"a": changed(LARGE).numpy()}))),
        (Plain(table=pd.Series(["a", "b"])), Plain(table=pd.Series(["a", "b"])), Plain(table=pd.Series(["a", "c"]))),
        (Plain(table=logging.getLogger("a")), Plain(table=logging.getLogger("a")),
         Plain(table=logging.getLogger("b"))),
        (Plain(table=torch.jit.script(nn.LeakyReLU(0.1))), Plain(table=torch.jit.script(nn.LeakyReLU(0.1))),
         Plain(table=torch.jit.script(nn.LeakyReLU(0.2)))),
    ],
)  # fmt: skip
def test_equal_things_are_described_alike_and_others_otherwise(one: object, same: object, other: object) -> None:
    assert described(one) == described(same)
    assert described(one) != described(other)
    assert text(one) == text(same) != text(other)
    assert "0x" not in str(described(one))


def test_what_hangs_on_a_network_is_its_code() -> None:
    assert code_of_network(hooked(2.0)) == code_of_network(hooked(2.0))
    assert len({code_of_network(network) for network in (Learned(), hooked(2.0), hooked(3.0))}) == 3


def test_a_changed_weight_changes_a_network() -> None:
    one, other = Learned(), Learned()
    with torch.no_grad():
        other.layer.weight += 1e-6
    assert text(one) != text(other)
    assert text(nn.ReLU()) != text(nn.Tanh())
    assert text(nn.Conv3d(1, 1, 3, padding=1)) != text(nn.Conv3d(1, 1, 3, padding=0))


def test_what_is_computed_from_the_state_or_counts_calls_is_no_part_of_it() -> None:
    plain, private = Plain(), Private()
    before = described(plain), described(private)
    assert plain.corner == 27
    private._calls += 1
    assert (described(plain), described(private)) == before


def test_a_file_counts_by_its_content_not_by_its_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"prior")
    first = text(tmp_path / "a")
    assert text(tmp_path / "b") == first
    (tmp_path / "a").write_bytes(b"Prior")
    assert text(tmp_path / "a") != first


@pytest.mark.parametrize("value", [object(), [np.random.default_rng(0).bit_generator.lock]])
def test_an_address_in_memory_is_refused_with_what_to_do(value: object) -> None:
    with pytest.raises(SettingError, match=r"^table: expected a value that can be told .*An address in memory"):
        described(Plain(table=value))


@pytest.mark.parametrize(
    "value",
    [
        torch.Generator(),
        random.Random(0),
        np.random.default_rng(0),
        np.random.RandomState(0),
        iter([1]),
        (n for n in [1]),
        np.random.RandomState(0).normal,
    ],
)
def test_what_is_another_after_each_use_is_refused_with_what_to_do(value: object) -> None:
    with pytest.raises(SettingError, match=r"^table: expected a value that stays as it is .*its seed"):
        described(Plain(table=value))


def test_the_code_of_a_torchscript_network_counts_as_that_of_a_class_does() -> None:
    """Weights are the same; what is done with them is not."""

    def scripted(slope: float, trace: bool = False) -> nn.Module:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv3d(1, 1, 1), nn.LeakyReLU(slope))
        return torch.jit.trace(network, torch.zeros(1, 1, 2, 2, 2)) if trace else torch.jit.script(network)

    for trace in (False, True):
        one, same, other = (code_of_network(scripted(slope, trace)) for slope in (0.1, 0.1, 0.2))
        assert one == same != other
    assert code_of_network(nn.Conv3d(1, 1, 1)) == ""


def test_every_process_describes_alike() -> None:
    """Hashes of words differ between processes, and so do addresses."""
    program = (
        "import fractions, numpy as np, pandas as pd, torch, functools\n"
        "from agg2exp.domain.description import text\n"
        "print(text([{'x', 'y', 'z', 'w'}, frozenset({('a', 1), ('b', 2)}), fractions.Fraction(1, 3), np.median,\n"
        "    pd.DataFrame({'a': ['x', 'y'], 'b': [1, 2]}), functools.partial(max, 2),\n"
        "    torch.jit.script(torch.nn.ReLU()),\n"
        "    {'b': torch.ones(2), 'a': None}]))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "77")
    }
    assert len(said) == 1


def test_things_that_hold_each_other_come_to_an_end() -> None:
    one, other = Plain(), Plain()
    one.table, other.table = other, one
    assert "…" in text(one)
