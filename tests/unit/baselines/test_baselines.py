"""Baselines: known statistics, the same noise for the same seed, shape, type and device of the image."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from agg2exp.baselines import (
    Baseline,
    Blurred,
    Constant,
    GaussianNoise,
    Given,
    Mean,
    UniformNoise,
    as_baseline,
)
from agg2exp.domain.errors import SettingError
from agg2exp.domain.rng import KeyedRng

RNG = KeyedRng(0, "case", "method")
ALL = [Constant(0.3), Mean(), UniformNoise(), GaussianNoise(0.2), Blurred(2.0)]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def two_channels(seed: int = 0, edge: int = 24) -> Tensor:
    """Channel 0 in [0, 1], channel 1 in [100, 140]."""
    image = torch.rand(2, edge, edge - 2, edge - 4, generator=torch.Generator().manual_seed(seed))
    return image * torch.tensor([1.0, 40.0]).view(2, 1, 1, 1) + torch.tensor([0.0, 100.0]).view(2, 1, 1, 1)


@pytest.mark.parametrize("baseline", [*ALL, Given(two_channels(9))], ids=lambda b: type(b).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("device", DEVICES)
def test_has_shape_type_and_device_of_the_image(baseline: Baseline, dtype: torch.dtype, device: str) -> None:
    image = two_channels().to(device, dtype)
    before = image.clone()
    made = baseline(image, RNG)
    assert (made.shape, made.dtype, made.device) == (image.shape, dtype, image.device)
    assert torch.isfinite(made).all()
    assert torch.equal(image, before)
    assert made.data_ptr() != image.data_ptr()


@pytest.mark.parametrize("baseline", [Mean(), UniformNoise(), GaussianNoise(0.2), Blurred(2.0)], ids=repr)
def test_a_constant_image_is_its_own_baseline(baseline: Baseline) -> None:
    image = torch.full((1, 6, 7, 8), 0.7)
    assert torch.allclose(baseline(image, RNG), image, rtol=1e-6)


@pytest.mark.parametrize("baseline", [Mean(), UniformNoise(), GaussianNoise(0.5), Blurred(3.0)], ids=repr)
def test_stays_within_the_range_of_each_channel(baseline: Baseline) -> None:
    image = two_channels()
    for made, x in zip(baseline(image, RNG), image, strict=True):
        slack = 1e-6 * float(x.max())
        assert x.min() - slack <= made.min() <= made.max() <= x.max() + slack


def test_constant_and_mean() -> None:
    image = two_channels()
    assert torch.equal(Constant(0.25)(image, RNG), torch.full_like(image, 0.25))
    for made, x in zip(Mean()(image, RNG), image.double(), strict=True):
        assert torch.allclose(made.double(), x.sum() / x.numel(), rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_uniform_noise_has_the_moments_of_a_uniform_distribution(seed: int) -> None:
    image = two_channels(seed)
    made = UniformNoise()(image, KeyedRng(seed, "case", "method"))
    for noise, x in zip(made.double(), image.double(), strict=True):
        width, n = x.max() - x.min(), noise.numel()
        centred = (noise - x.min()) / width
        for power in (1, 2, 3):  # E u^k = 1/(k + 1), Var u^k = 1/(2k + 1) - 1/(k + 1)²; 4 standard errors
            error = math.sqrt((1 / (2 * power + 1) - 1 / (power + 1) ** 2) / n)
            assert float(centred.pow(power).mean()) == pytest.approx(1 / (power + 1), abs=4 * error)
        assert abs(float(torch.corrcoef(torch.stack([noise.flatten(), x.flatten()]))[0, 1])) < 4 / math.sqrt(n)


@pytest.mark.parametrize("seed", range(3))
def test_gaussian_noise_lies_around_the_mean_and_forgets_the_image(seed: int) -> None:
    image = two_channels(seed)
    made = GaussianNoise(0.05)(image, KeyedRng(seed, "case", "method"))  # 10 σ from the ends: nothing is clipped
    for noise, x in zip(made.double(), image.double(), strict=True):
        sigma, n = 0.05 * float(x.max() - x.min()), noise.numel()
        assert float(noise.mean()) == pytest.approx(float(x.mean()), abs=4 * sigma / math.sqrt(n))
        assert float(noise.std()) == pytest.approx(sigma, rel=4 / math.sqrt(2 * n))
        assert abs(float(torch.corrcoef(torch.stack([noise.flatten(), x.flatten()]))[0, 1])) < 4 / math.sqrt(n)


def test_gaussian_noise_is_clipped() -> None:
    image = two_channels()
    noise, x = GaussianNoise(10.0)(image, RNG)[0], image[0]
    at_the_ends = ((noise == x.min()) | (noise == x.max())).float().mean()
    assert 0.9 < float(at_the_ends) < 1  # a normal variable is within 0.05 σ of its mean in 4 % of draws
    assert torch.equal(GaussianNoise(0.0)(image, RNG), Mean()(image, RNG))


@pytest.mark.parametrize("baseline", [UniformNoise(), GaussianNoise()], ids=repr)
def test_noise_depends_on_seed_case_and_method_and_nothing_else(baseline: Baseline) -> None:
    image = two_channels()
    first = baseline(image, KeyedRng(1, "a", "m"))
    torch.rand(3)
    assert torch.equal(first, baseline(image, KeyedRng(1, "a", "m")))
    for other in (KeyedRng(2, "a", "m"), KeyedRng(1, "b", "m"), KeyedRng(1, "a", "n")):
        assert not torch.equal(first, baseline(image, other))


@pytest.mark.parametrize("sigma", [1.0, 1.7])
def test_blurring_a_point_gives_the_gaussian_in_its_channel_only(sigma: float) -> None:
    image = torch.zeros(2, 21, 23, 25, dtype=torch.float64)
    image[0, 10, 11, 12] = 1
    made = Blurred(sigma)(image, RNG)
    grid = torch.meshgrid(*(torch.arange(n) - n // 2 for n in (21, 23, 25)), indexing="ij")
    gaussian = torch.exp(-sum(g.double() ** 2 for g in grid) / (2 * sigma**2))
    assert torch.allclose(made[0], gaussian / gaussian.sum(), atol=1e-4 * float(made.max()))
    assert not made[1].any()


def test_blurring_keeps_the_mean_and_removes_detail() -> None:
    image = two_channels().double()
    deviations = []
    for sigma in (0.0, 0.5, 2.0, 10.0):
        made = Blurred(sigma)(image, RNG)
        assert torch.allclose(made.mean(dim=(1, 2, 3)), image.mean(dim=(1, 2, 3)), rtol=1e-10)
        deviations.append(float(made[0].std()))
    assert torch.equal(Blurred(0.0)(image, RNG), image)
    assert deviations == sorted(deviations, reverse=True)
    assert deviations[-1] < 0.01 * deviations[0]


def test_a_volume_a_number_or_a_baseline_will_do() -> None:
    image = two_channels()
    assert torch.equal(as_baseline(image)(image, RNG), image)
    assert as_baseline(2) == Constant(2.0)
    assert as_baseline(Mean()) == Mean()
    with pytest.raises(SettingError, match=r"baselines: .*a tensor \(C, D, H, W\) or a number, got 'zero'"):
        as_baseline("zero")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match=r"baselines: expected the shape of the image \(2, 24, 22, 20\)"):
        as_baseline(image[:1])(image, RNG)


def test_what_a_result_depends_on_is_in_the_name() -> None:
    names = [repr(b) for b in (*ALL, Constant(0.4), GaussianNoise(0.3), Blurred(3.0), Given(two_channels(0)))]
    names.append(repr(Given(two_channels(1))))
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: Constant("air"), "value"),
        (lambda: GaussianNoise(-0.1), "noise_level"),
        (lambda: Blurred(-1.0), "sigma"),
    ],
)
def test_wrong_settings_are_named(make, setting: str) -> None:
    with pytest.raises(SettingError, match=setting):
        make()
