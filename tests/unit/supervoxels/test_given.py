"""Partitions that users make."""

from __future__ import annotations

import logging

import pytest
import torch

from agg2exp.domain.errors import SettingError
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.supervoxels import Given

IMAGE = torch.zeros(1, 3, 4, 5)
NO_MASKS = ExclusiveMasks(torch.zeros(3, 4, 5, dtype=torch.int16), 1)


def drawn(values: list[int], seed: int) -> torch.Tensor:
    """(3, 4, 5), every value at least once."""
    g = torch.Generator().manual_seed(seed)
    chosen = torch.cat([torch.arange(len(values)), torch.randint(len(values), (60 - len(values),), generator=g)])
    return torch.tensor(values)[chosen[torch.randperm(60, generator=g)]].reshape(3, 4, 5)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.int16])
def test_a_good_partition_stays_as_it_is_and_nothing_is_said(dtype: torch.dtype, caplog: pytest.LogCaptureFixture):
    ids = drawn([0, 1, 2, 3], 0)
    with caplog.at_level(logging.DEBUG):
        assert torch.equal(Given(ids.to(dtype))(IMAGE, NO_MASKS), ids)
    assert caplog.text == ""


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("values", [[0, 2, 5], [-1, 0, 1], [3], [-(2**40), -7, 2**40]])
def test_gaps_and_negative_ids_are_renumbered_and_said_once(
    values: list[int], seed: int, caplog: pytest.LogCaptureFixture
):
    ids = drawn(values, seed)
    with caplog.at_level(logging.WARNING):
        given = Given(ids)
        result = [given(IMAGE, NO_MASKS) for _ in range(3)]
    for wanted, value in enumerate(values):
        assert torch.equal(result[0] == wanted, ids == value)
    assert len(caplog.records) == 1
    assert f"ids from {min(values)} to {max(values)}, {len(values)} of them used" in caplog.text


@pytest.mark.parametrize("shape", [(3, 4, 4), (4, 3, 5), (1, 3, 4, 5), (60,)])
def test_another_shape_is_refused(shape: tuple[int, ...]):
    with pytest.raises(SettingError, match=r"^feature_mask: expected the shape \(D, H, W\) of the image \(3, 4, 5\)"):
        Given(torch.zeros(shape, dtype=torch.int64))(IMAGE, NO_MASKS)


@pytest.mark.parametrize("ids", [torch.zeros(3, 4, 5), torch.zeros(3, 4, 5) * 1j, torch.zeros(0, 4, 5).long()])
def test_what_are_no_ids_is_refused(ids: torch.Tensor):
    with pytest.raises(SettingError, match=r"^feature_mask: expected "):
        Given(ids)


def test_its_representation_is_that_of_its_content():
    ids = drawn([0, 1, 2, 3], 0)
    same, gaps, other = Given(ids.clone().to(torch.int32)), Given(3 * ids), Given(ids.flip(0))
    assert repr(Given(ids)) == repr(same) == repr(gaps)
    assert repr(Given(ids)).startswith("Given((3, 4, 5), ")
    assert repr(other) != repr(Given(ids))
    with pytest.raises(AttributeError):
        same.ids = ids


@pytest.mark.parametrize("values", [[0, 2, 5], [-1, 0, 1], [-(2**40), -7, 2**40], [0, 1, 2]])
def test_ids_as_given_are_kept(values: list[int]):
    ids = drawn(values, 0)
    given = Given(ids, {values[0]: "liver"})
    assert torch.equal(given.numbers(NO_MASKS)[given(IMAGE, NO_MASKS)], ids)
    assert given.name_of == {values[0]: "liver"}
