"""Which intensities can be Hounsfield units, and what others look like."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from agg2exp.preprocessing.body import body_mask, known_body
from agg2exp.preprocessing.hounsfield import not_hounsfield

ACROSS, UP = np.meshgrid(np.arange(40), np.arange(40), indexing="ij")
RADIUS = np.broadcast_to(np.hypot(ACROSS - 20, UP - 20)[..., None], (40, 40, 12))
REAL = os.environ.get("AGG2EXP_REAL_DATA")


def chest(seed: int = 0) -> np.ndarray:
    """A trunk with skin fat, muscle, lungs and bone in air, with noise."""
    hu = np.select([RADIUS < 3, RADIUS < 9, RADIUS < 14, RADIUS < 16], [700, -850, 45, -100], -1000).astype(float)
    return np.asarray(hu + np.random.default_rng(seed).normal(0, 12, hu.shape))


def mri(seed: int = 0) -> np.ndarray:
    """Tissue of many intensities in a dark background."""
    rng = np.random.default_rng(seed)
    return np.abs(np.where(RADIUS < 16, rng.uniform(100, 900, (40, 40, 12)), 0) + rng.normal(0, 9, (40, 40, 12)))


NO_CT = {
    "offset of 1024": chest() + 1024,
    "offset of 1024 ": np.maximum(chest() + 1000, 0),
    "scaled to [0, 1]": np.clip((chest() + 1024) / 2048, 0, 1),
    "standardised or scaled": (chest() - chest().mean()) / chest().std(),
    "standardised or scaled ": np.clip(chest() / 1000, -1, 1),
    "no CT": mri(),
}


@pytest.mark.parametrize(("words", "scan"), NO_CT.items(), ids=NO_CT)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_no_ct_has_no_body_and_is_named(words: str, scan: np.ndarray, dtype: type):
    scan, said = scan.astype(dtype), []
    assert words.strip() in not_hounsfield(scan)
    assert known_body(scan, scan, said.append) is None
    (notice,) = said
    assert all(word in notice for word in (words.strip(), "enrichment_body", "expected_by_distance", "NaN"))


CT = {
    "chest": chest(),
    "integers": chest().astype(np.int16),
    "padded by the scanner": np.where(RADIUS > 19, -3024, chest()),
    "a view within the abdomen": np.where(RADIUS < 16, -95, 45) + np.random.default_rng(0).normal(0, 12, RADIUS.shape),
    "a linear field": 9.0 * ACROSS[..., None] - 500 + np.zeros(3),
}


@pytest.mark.parametrize("scan", CT.values(), ids=CT)
def test_a_ct_has_a_body(scan: np.ndarray):
    said: list[str] = []
    np.testing.assert_array_equal(known_body(scan, scan, said.append), body_mask(scan))
    assert said == []


def test_a_view_within_the_patient_is_all_body():
    scan = CT["a view within the abdomen"]
    assert known_body(scan, scan, print).all()


@pytest.mark.parametrize("scan", [np.maximum(chest(), -160), np.where(RADIUS > 16, 0, np.maximum(chest(), -400))])
def test_clipped_or_padded_air_is_no_body(scan: np.ndarray):
    said: list[str] = []
    assert known_body(scan, scan, said.append) is None
    assert "one value fills more than 10%" in said[0]


PADDED = {
    "beside": np.where(ACROSS[..., None] < 6, 0, chest()),
    "above and below": np.pad(chest(), ((0, 0), (0, 0), (3, 3))),
    "beside clipped air": np.where(ACROSS[..., None] < 6, 0, np.maximum(chest(), -990)),
    "with the highest value": np.where(UP[..., None] > 33, 3071, chest()),
}


@pytest.mark.parametrize("scan", PADDED.values(), ids=PADDED)
def test_padding_that_looks_like_tissue_is_no_body_beside_air(scan: np.ndarray):
    said: list[str] = []
    assert body_mask(scan).mean() < 0.98
    assert known_body(scan, np.clip(scan, -1024, 1024), said.append) is None
    assert "padding" in said[0]


def test_a_phantom_of_one_value_and_a_view_within_clipped_lung_have_a_body():
    inside = np.where(RADIUS < 14, -850, 45) + np.random.default_rng(0).normal(0, 12, RADIUS.shape)
    for scan in (np.where(RADIUS < 15, 40, -1000), np.maximum(inside, -849)):
        said: list[str] = []
        np.testing.assert_array_equal(known_body(scan, scan, said.append), body_mask(scan))
        assert said == []


@pytest.mark.skipif(not REAL, reason="AGG2EXP_REAL_DATA is not set")
@pytest.mark.parametrize("case", ["s9001", "s9002"])
def test_real_scans(case: str):
    scan = np.asarray(nib.load(Path(str(REAL)) / case / "ct.nii.gz").dataobj)
    assert not_hounsfield(scan) == ""
    for offset in (1000, 1024):
        assert "offset" in not_hounsfield(scan + offset)
        assert "offset" in not_hounsfield(np.maximum(scan + offset, 0))
