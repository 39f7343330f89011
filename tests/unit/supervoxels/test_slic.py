"""Supervoxels that follow the image."""

from __future__ import annotations

import logging

import pytest
import torch
from scipy import ndimage

from agg2exp.domain.errors import SettingError
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.supervoxels import Slic

NO_MASKS = ExclusiveMasks(torch.empty(0))


def overlaps(ids: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    """Voxels of every supervoxel inside and outside of `part`, (S, 2)."""
    return torch.stack([torch.bincount(ids[m], minlength=int(ids.max()) + 1) for m in (part, ~part)], dim=1)


def noisy(image: torch.Tensor, seed: int, sigma: float) -> torch.Tensor:
    return image + sigma * torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("edge", [7, 12, 16])
def test_no_supervoxel_straddles_the_edge_between_two_blocks(axis: int, edge: int) -> None:
    image = torch.full((1, 24, 26, 22), 0.3)
    image.narrow(axis + 1, edge, image.shape[axis + 1] - edge).fill_(0.8)
    ids = Slic(30)(image, NO_MASKS)
    assert ids.max() > 10
    assert (overlaps(ids, image[0] > 0.5) == 0).any(dim=1).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_ball_in_noise_is_followed(seed: int) -> None:
    points = torch.stack(torch.meshgrid(*(torch.arange(24.0),) * 3, indexing="ij"))
    ball = ((points - 11) ** 2).sum(dim=0) < 64
    ids = Slic(64)(noisy(0.3 + 0.5 * ball[None], seed, 0.03), NO_MASKS)
    assert 32 <= ids.max() + 1 <= 96
    wrong = overlaps(ids, ball).amin(dim=1).sum()  # voxels on the lesser side of their supervoxel
    assert wrong < 0.02 * ball.sum()


def test_each_supervoxel_is_connected() -> None:
    ids = Slic(40)(noisy(torch.zeros(1, 20, 21, 22), 0, 1.0), NO_MASKS)
    assert all(ndimage.label(ids.numpy() == s)[1] == 1 for s in range(int(ids.max()) + 1))


def test_every_channel_counts() -> None:
    image = torch.full((2, 16, 16, 16), 0.3)
    image[1, :, :9] = 0.9
    ids = Slic(16)(image, NO_MASKS)
    assert (overlaps(ids, image[1] > 0.5) == 0).any(dim=1).all()


def test_a_constant_image_keeps_the_grid_of_seeds() -> None:
    ids = Slic(64)(torch.full((1, 32, 32, 32), 0.7), NO_MASKS)
    assert torch.bincount(ids.flatten()).tolist() == pytest.approx([512] * 64, abs=200)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision_and_scale_of_the_image(dtype: torch.dtype) -> None:
    image = torch.randint(0, 9, (1, 12, 12, 12), generator=torch.Generator().manual_seed(0)).float() / 8
    expected = Slic(20)(image, NO_MASKS)
    assert torch.equal(Slic(20)(image.to(dtype).requires_grad_(), NO_MASKS), expected)
    assert torch.equal(Slic(20)(image * 2048 - 1024, NO_MASKS), expected)


def test_far_fewer_than_asked_for_is_said(caplog: pytest.LogCaptureFixture) -> None:
    image = torch.rand(1, 24, 24, 24, generator=torch.Generator().manual_seed(0))
    with caplog.at_level(logging.WARNING):
        assert Slic(64, compactness=10.0)(image, NO_MASKS).max() > 32
        assert caplog.text == ""
        found = int(Slic(64, compactness=0.01)(image, NO_MASKS).max()) + 1
    assert found < 32
    assert f"slic found {found} supervoxels where 64 were asked for; raise compactness" in caplog.text


def test_all_that_the_result_depends_on_is_said() -> None:
    assert repr(Slic()) == "Slic(n_components=512, compactness=0.2)"


@pytest.mark.parametrize(
    ("name", "value"), [("n_components", 0), ("n_components", 2.5), ("compactness", 0.0), ("compactness", "high")]
)
def test_wrong_settings_are_named(name: str, value: object) -> None:
    with pytest.raises(SettingError, match=name):
        Slic(**{name: value})
