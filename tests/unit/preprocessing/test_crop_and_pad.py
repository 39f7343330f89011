"""What is cut off and what is filled up, against slow loops over voxels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import DataError, SettingError
from agg2exp.preprocessing.body import CtBody
from agg2exp.preprocessing.crop import ForegroundCrop
from agg2exp.preprocessing.intensity import ZScore
from agg2exp.preprocessing.meta_tensor import grid_of, with_grid
from agg2exp.preprocessing.pad import Pad
from agg2exp.preprocessing.preprocessing import Preprocessing
from tests.helpers import cases

SHAPE = (9, 8, 7)
AFFINE = np.array([[2.0, 0, 0, 10], [0, 0, -3, 20], [0, 4, 0, 30], [0, 0, 0, 1]])
GRID = Grid(SHAPE, AFFINE)


def speckled(seed: int, channels: int = 2) -> torch.Tensor:
    """Few voxels that are not 0, of either sign, away from the border."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(channels, *SHAPE, generator=generator)
    values *= torch.rand(values.shape, generator=generator) > 0.98
    values[:, :1], values[:, :, :1], values[..., -2:] = 0, 0, 0
    return values


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("above", [None, 0.2])
@pytest.mark.parametrize("margin", [0, 2])
def test_the_bounding_box_of_all_channels_is_kept(seed: int, above: float | None, margin: int):
    values = speckled(seed)
    low, high = list(SHAPE), [0, 0, 0]
    for _, *voxel in np.argwhere(values.numpy() != 0 if above is None else values.numpy() > above):
        low = [min(a, v) for a, v in zip(low, voxel, strict=True)]
        high = [max(b, v + 1) for b, v in zip(high, voxel, strict=True)]
    low = [max(a - margin, 0) for a in low]
    high = [min(b + margin, n) for b, n in zip(high, SHAPE, strict=True)]
    found = ForegroundCrop(above, margin)(with_grid(values, GRID))
    expected = values[:, low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    assert torch.equal(found.as_tensor(), expected)
    np.testing.assert_allclose(grid_of(found).affine[:3, 3], AFFINE[:3, :3] @ low + AFFINE[:3, 3])
    np.testing.assert_allclose(grid_of(found).affine[:3, :3], AFFINE[:3, :3])


def test_without_foreground_it_is_said_what_was_looked_for():
    with pytest.raises(DataError, match=r"no voxel not 0\. .*model\.preprocessing\.crop"):
        Preprocessing(crop=ForegroundCrop()).image(np.zeros((1, *SHAPE)), GRID)
    with pytest.raises(DataError, match="no voxel above 3"):
        Preprocessing(crop=ForegroundCrop(above=3)).image(np.ones((1, *SHAPE)), GRID)


@pytest.mark.parametrize(
    ("pad", "shape"),
    [
        (Pad((12, 4, 8)), (12, 8, 8)),
        (Pad(multiple=(4, 4, 4)), (12, 8, 8)),
        (Pad((10, 10, 10), (4, 3, 2)), (12, 12, 10)),
        (Pad((1, 1, 1)), SHAPE),
    ],
)
def test_what_is_filled_up_lies_around_and_has_the_value(pad: Pad, shape: tuple[int, ...]):
    values = torch.rand(2, *SHAPE) + 1
    found = pad(with_grid(values, GRID), -5.0)
    assert tuple(found.shape[1:]) == shape == pad.shape(SHAPE)
    before = np.linalg.solve(grid_of(found).affine, AFFINE)[:3, 3].round().astype(int)
    assert all(b in ((n - o) // 2, -((o - n) // 2)) for b, n, o in zip(before, shape, SHAPE, strict=True))
    where = tuple(slice(b, b + n) for b, n in zip(before, SHAPE, strict=True))
    assert torch.equal(found.as_tensor()[:, *where], values)
    assert (found == -5).sum() == found.numel() - values.numel()


def test_padding_comes_last_with_its_own_value_and_is_no_body():
    native = cases.scan_grid("LPS")
    scan = cases.hounsfield(cases.world(native))[None]
    plain = Preprocessing(spacing=(4.0,) * 3, intensity=ZScore(), body=CtBody())
    padded = Preprocessing(spacing=(4.0,) * 3, intensity=ZScore(), body=CtBody(), pad=Pad((25, 25, 25), value=-9.0))
    inner, outer = (preprocessing.prepare(scan, native, print) for preprocessing in (plain, padded))
    before = np.linalg.solve(outer.grid.affine, inner.grid.affine)[:3, 3].round().astype(int)
    where = tuple(slice(b, b + n) for b, n in zip(before, inner.grid.shape, strict=True))
    assert torch.equal(outer.image[:, *where], inner.image)
    assert torch.equal(outer.body[where], inner.body)
    assert outer.body.sum() == inner.body.sum() > 0
    assert (outer.image == -9).sum() == outer.image.numel() - inner.image.numel()


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: ForegroundCrop("bright"), r"crop\.above"),
        (lambda: ForegroundCrop(margin=-1), r"crop\.margin"),
        (lambda: ForegroundCrop(margin=0.5), r"crop\.margin"),
        (lambda: Pad(), "pad"),
        (lambda: Pad((5, 5)), r"pad\.size"),
        (lambda: Pad(16), r"pad\.size"),
        (lambda: Pad(multiple=(0, 1, 1)), r"pad\.multiple"),
        (lambda: Pad((5, 5, 5), value=None), r"pad\.value"),
    ],
)
def test_wrong_values_are_named(make, key: str):
    with pytest.raises(SettingError, match=f"^{key}: expected"):
        make()
