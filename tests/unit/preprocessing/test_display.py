"""What is drawn black and white, in the scan's units and in the image's."""

from __future__ import annotations

import numpy as np
import pytest
from monai.transforms import ScaleIntensity

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import SettingError
from agg2exp.preprocessing.display import Display, PercentileDisplay
from agg2exp.preprocessing.intensity import Percentile, Window, ZScore
from agg2exp.preprocessing.preprocessing import Preprocessing

GRID = Grid((8, 7, 6), np.eye(4))
SCAN = np.random.default_rng(0).normal(100, 400, (2, *GRID.shape)) * np.array([1, 5]).reshape(2, 1, 1, 1)


@pytest.mark.parametrize("intensity", [Window(-1024, 1024), Window(0, 50), ZScore(), Percentile(0, 100), None])
@pytest.mark.parametrize("display", [Display(-160, 240, "HU"), PercentileDisplay(20, 60)])
def test_a_grey_value_is_the_same_in_the_scan_and_in_the_image(intensity, display):
    """Both ways to draw a voxel: its value of the file in the scan's limits, its value for the network in its own."""
    prepared = Preprocessing("native", intensity=intensity, display=display).prepare(SCAN, GRID, print)
    for c in range(2):
        (black, white), (low, high) = prepared.display[c], prepared.shown[c]
        in_scan, in_image = (SCAN[c] - black) / (white - black), (prepared.image[c].numpy() - low) / (high - low)
        free = np.ones(GRID.shape, bool)
        if isinstance(intensity, Window):  # what the network does not see cannot be drawn
            free = (SCAN[c] > intensity.low) & (SCAN[c] < intensity.high)
        np.testing.assert_allclose(in_image[free], in_scan[free], atol=1e-4)


def test_a_fixed_window_is_the_same_for_every_scan_and_percentiles_are_of_each_channel():
    fixed = Preprocessing("native", display=Display(-160, 240, "HU")).prepare(SCAN, GRID, print)
    assert fixed.display == ((-160, 240), (-160, 240))
    found = Preprocessing("native", display=PercentileDisplay(2, 97)).prepare(SCAN, GRID, print)
    np.testing.assert_allclose(found.display, [np.percentile(channel, [2, 97]) for channel in SCAN], rtol=1e-5)


def test_the_wide_window_of_ct_is_exactly_what_it_was():
    ct = Preprocessing("native", intensity=Window(-1024, 1024), display=Display(-1024, 819.2, "HU"))
    assert ct.prepare(SCAN[:1], GRID, print).shown == ((0.0, 0.9),)


def test_where_the_map_of_values_is_not_known_percentiles_of_the_image_are_shown():
    made = Preprocessing("native", intensity=[ScaleIntensity(0, 7)], display=Display(-160, 240, "HU"))
    prepared = made.prepare(SCAN, GRID, print)
    np.testing.assert_allclose(prepared.shown, [np.percentile(c, [1, 99]) for c in prepared.image.numpy()], rtol=1e-5)
    assert prepared.display == ((-160, 240), (-160, 240))


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Display(3, 3), "display"),
        (lambda: Display("dark", 3), r"display\.low"),
        (lambda: PercentileDisplay(1, 101), r"display\.high"),
        (lambda: PercentileDisplay(60, 40), "display"),
    ],
)
def test_wrong_values_are_named(make, key: str):
    with pytest.raises(SettingError, match=f"^{key}: expected"):
        make()
