"""Values of the scan to values of the network, against slow loops over the formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import Compose, RandGaussianNoise, ScaleIntensity, ScaleIntensityRange, Transpose
from torch import Tensor

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import SettingError
from agg2exp.preprocessing.intensity import Intensity, Percentile, PerChannel, Window, ZScore, percentiles
from agg2exp.preprocessing.preprocessing import Preprocessing

GRID = Grid((6, 5, 4), np.eye(4))
INTENSITIES = {
    "window": Window(-200, 300),
    "z-score": ZScore(),
    "z-score of what is not 0": ZScore(nonzero=True),
    "percentiles": Percentile(5, 90),
}
by_name = pytest.mark.parametrize("name", INTENSITIES)


def volume(seed: int = 0, channels: int = 2) -> Tensor:
    """Channels of different values, a third of them 0."""
    generator = torch.Generator().manual_seed(seed)
    values = 400 * torch.randn(channels, *GRID.shape, generator=generator)
    values *= torch.arange(1, channels + 1).reshape(-1, 1, 1, 1)
    return values * (torch.rand(values.shape, generator=generator) > 1 / 3)


@pytest.mark.parametrize("seed", range(3))
def test_a_window_is_that_of_monai_bit_for_bit(seed: int):
    for low, high in ((-1024, 1024), (-160, 240), (-999.5, 1.25)):
        expected = ScaleIntensityRange(low, high, 0.0, 1.0, clip=True)(volume(seed))
        assert torch.equal(Window(low, high)(volume(seed)), torch.as_tensor(expected))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("nonzero", [False, True])
def test_z_score_is_that_of_each_channel(seed: int, nonzero: bool):
    values = volume(seed)
    found = ZScore(nonzero)(values).numpy()
    for channel, scaled in zip(values.double().numpy(), found, strict=True):
        counted = [v for v in channel.ravel() if v != 0 or not nonzero]
        mean = sum(counted) / len(counted)
        deviation = (sum((v - mean) ** 2 for v in counted) / len(counted)) ** 0.5
        expected = [0.0 if nonzero and v == 0 else (v - mean) / deviation for v in channel.ravel()]
        np.testing.assert_allclose(scaled.ravel(), expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_percentiles_of_each_channel_become_0_and_1(seed: int):
    values = volume(seed)
    found = Percentile(5, 90)(values).numpy()
    for channel, scaled in zip(values.numpy(), found, strict=True):
        low, high = np.percentile(channel, [5, 90])
        np.testing.assert_allclose(scaled, np.clip((channel - low) / (high - low), 0, 1), atol=1e-5)


@by_name
def test_the_ends_become_0_and_1(name: str):
    """By them, what is drawn black and white in the scan's units is found in the image's."""
    intensity: Intensity = INTENSITIES[name]
    values = volume()
    ends, scaled = intensity.ends(values), intensity(values)
    for channel, image, (zero, one) in zip(values, scaled, ends, strict=True):
        free = (image > 0) & (image < 1) & (channel != 0)
        np.testing.assert_allclose(image[free], (channel[free] - zero) / (one - zero), atol=1e-5)


@by_name
def test_the_scan_is_left_alone_and_nothing_of_monai_stays(name: str):
    values = volume()
    before = values.clone()
    found = INTENSITIES[name](values)
    assert type(found) is Tensor
    assert found.dtype == torch.float32
    assert torch.equal(values, before)


@by_name
def test_a_channel_of_one_value_stays_finite_and_has_a_window(name: str):
    values = torch.cat([volume(channels=1), torch.full((1, *GRID.shape), 7.0), torch.zeros(1, *GRID.shape)])
    assert torch.isfinite(INTENSITIES[name](values)).all()
    prepared = Preprocessing(intensity=INTENSITIES[name]).prepare(values.numpy(), GRID, print)
    assert np.isfinite(prepared.shown).all()


def test_transforms_of_monai_are_applied_in_their_order_to_all_channels():
    steps = (ScaleIntensity(0.0, 2.0), torch.sqrt)
    image, _ = Preprocessing("native", intensity=list(steps)).image(volume().numpy(), GRID)
    expected = ScaleIntensity(0.0, 2.0)(volume())
    torch.testing.assert_close(image, torch.sqrt(torch.as_tensor(expected)))


def test_transforms_that_change_the_shape_or_throw_dice_are_refused():
    with pytest.raises(SettingError, match=r"^intensity: .*keep the shape \(2, 6, 5, 4\).*got \(2, 4, 5, 6\)"):
        Preprocessing("native", intensity=[Transpose((0, 3, 2, 1))]).image(volume().numpy(), GRID)
    for wrong in (RandGaussianNoise(), "ScaleIntensity"):
        with pytest.raises(SettingError, match=r"^intensity\[1\]: expected a transform"):
            Preprocessing(intensity=[ScaleIntensity(), wrong])
    with pytest.raises(SettingError, match=r"^intensity\[0\]: "):
        Preprocessing(intensity=[Compose([RandGaussianNoise()])])


def test_percentiles_are_numpy_s():
    np.testing.assert_allclose(percentiles(volume(), 1, 99), [np.percentile(c, [1, 99]) for c in volume().numpy()])


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Window(5, 5), "intensity"),
        (lambda: Window("a", 5), r"intensity\.low"),
        (lambda: Window(0, float("nan")), r"intensity\.high"),
        (lambda: ZScore("yes"), r"intensity\.nonzero"),
        (lambda: Percentile(-1, 5), r"intensity\.low"),
        (lambda: Percentile(1, 101), r"intensity\.high"),
        (lambda: Percentile(50, 50), "intensity"),
    ],
)
def test_wrong_values_are_named(make, key: str):
    with pytest.raises(SettingError, match=f"^{key}: expected"):
        make()


@pytest.mark.parametrize("seed", range(3))
def test_channels_may_have_maps_of_their_own(seed: int):
    maps = (Window(-200, 300), ZScore(nonzero=True), Percentile(5, 90))
    scan = volume(seed, channels=3)
    found = PerChannel(maps)(scan)
    for c, part in enumerate(maps):
        assert torch.equal(found[c], part(scan)[c])
        assert PerChannel(maps).ends(scan)[c] == part.ends(scan)[c]


def test_maps_have_to_be_as_many_as_channels():
    message = r"intensity\.channels: expected as many as the scan has channels, 2, got '1 maps'"
    with pytest.raises(SettingError, match=message):
        PerChannel((ZScore(),))(volume(channels=2))
    for channels in ((), (3,), ZScore(), "ct"):
        with pytest.raises(SettingError, match="a list of intensities, one for each channel"):
            PerChannel(channels)
