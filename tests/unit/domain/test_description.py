"""The same words mean the same thing, other words another one."""

import enum
import functools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from agg2exp.domain.description import described, text
from agg2exp.domain.errors import SettingError

LARGE = torch.arange(5000.0)


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
    ],
)  # fmt: skip
def test_equal_things_are_described_alike_and_others_otherwise(one: object, same: object, other: object) -> None:
    assert described(one) == described(same)
    assert described(one) != described(other)
    assert text(one) == text(same) != text(other)
    assert "0x" not in str(described(one))


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


@pytest.mark.parametrize("value", [object(), torch.Generator(), [np.random.default_rng(0).bit_generator.lock]])
def test_an_address_in_memory_is_refused_with_what_to_do(value: object) -> None:
    with pytest.raises(SettingError, match=r"^table: expected a value that can be told .*An address in memory"):
        described(Plain(table=value))


def test_things_that_hold_each_other_come_to_an_end() -> None:
    one, other = Plain(), Plain()
    one.table, other.table = other, one
    assert "…" in text(one)
