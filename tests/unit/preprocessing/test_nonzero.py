"""The body where all around it is 0."""

from __future__ import annotations

import numpy as np
import pytest

from agg2exp.domain.case import Grid
from agg2exp.preprocessing.crop import ForegroundCrop
from agg2exp.preprocessing.intensity import ZScore
from agg2exp.preprocessing.nonzero import NonZero
from agg2exp.preprocessing.preprocessing import Preprocessing
from tests.helpers import cases

NATIVE = cases.scan_grid("LPS", (4, 4, 4))


def head(seed: int = 0) -> np.ndarray:
    """Two channels: noise in a ball, 0 around it and in a hole."""
    radius = np.linalg.norm(cases.world(NATIVE), axis=-1)
    values = np.random.default_rng(seed).uniform(1, 9, (2, *NATIVE.shape))
    return np.where((radius < 22) & (radius > 8), values, 0)


def body(scan: np.ndarray, grid: Grid = NATIVE, said: list[str] | None = None) -> np.ndarray | None:
    return NonZero()(scan, NATIVE, scan.astype(np.float32), grid, (said if said is not None else []).append)


def test_it_is_what_is_not_0_in_some_channel_with_holes_filled():
    scan, ball = head(), np.linalg.norm(cases.world(NATIVE), axis=-1) < 22
    np.testing.assert_array_equal(body(scan), ball)
    scan[0, :9], scan[1, 9:] = 0, 0
    np.testing.assert_array_equal(body(scan), ball)


def test_it_lies_on_the_image_of_the_model_and_ends_where_the_head_does():
    """Interpolated values are not 0 one voxel further."""
    preprocessing = Preprocessing("RAS", (2.0, 2.0, 2.0), crop=ForegroundCrop(margin=2), intensity=ZScore(True))
    prepared = Preprocessing("RAS", (2.0, 2.0, 2.0), crop=ForegroundCrop(margin=2), body=NonZero()).prepare(
        head(), NATIVE, print
    )
    assert preprocessing.image(head(), NATIVE)[1].shape == prepared.grid.shape == tuple(prepared.body.shape)
    volume = float(prepared.body.sum()) * prepared.grid.voxel_volume
    assert volume == pytest.approx((np.linalg.norm(cases.world(NATIVE), axis=-1) < 22).sum() * 64, rel=0.03)
    assert (prepared.image[0] != 0).sum() > 1.1 * prepared.body.sum()


@pytest.mark.parametrize("zeros", [0.0, 0.01, 0.2, 0.6])
def test_where_hardly_anything_is_0_it_is_unknown_and_said_once(zeros: float):
    """As in a scan with noise around the patient, which here and there is 0."""
    noise = np.random.default_rng(0)
    scan = noise.uniform(1, 9, (1, *NATIVE.shape)) * (noise.random((1, *NATIVE.shape)) >= zeros)
    said: list[str] = []
    assert body(scan, said=said) is None
    (notice,) = said
    assert "the scan is not 0 around the patient" in notice
    assert "enrichment_body and expected_by_distance (NaN)" in notice
    assert "model.preprocessing.body=null" in notice
