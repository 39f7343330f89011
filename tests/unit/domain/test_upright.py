"""Volumes turned to R, A, S."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from agg2exp.domain.upright import upright, upright_spacing
from tests.helpers import cases

ORIENTATIONS = ["".join(letters) for pairs in permutations(("LR", "PA", "IS")) for letters in product(*pairs)]


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_every_orientation_is_turned_as_nibabel_does(axes: str):
    grid = cases.scan_grid(axes, (3, 4, 5), tilt=0.2)
    volume = np.random.default_rng(0).normal(size=(2, *grid.shape))
    turned = upright(volume, grid)
    for channel in range(2):
        expected = nib.as_closest_canonical(nib.Nifti1Image(volume[channel], grid.affine))
        np.testing.assert_array_equal(turned[channel], expected.get_fdata())
    assert upright_spacing(grid) == pytest.approx(expected.header.get_zooms(), rel=1e-6)
    np.testing.assert_array_equal(upright(volume[0], grid), turned[0])
