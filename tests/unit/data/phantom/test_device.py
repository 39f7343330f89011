"""The planted bias: a device in the image, a border that moves with it in the labels, and nothing else."""

import csv
import hashlib
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy import ndimage

from agg2exp.data.phantom import PhantomCohort, make_phantom
from agg2exp.data.phantom.structures import STRUCTURES

COARSE = (5.5, 5.5, 5.5)
CASES = (1, 2, 3, 4)
SHIFT = 60.0
UPPER, LOWER = "lung_upper_lobe_left", "lung_lower_lobe_left"
SEED = 7
DIGESTS = {1: "74aa0c75cd754c95", 2: "a2d33c9f4e7c642b", 4: "93a3acbf898b1c41"}  # before there were devices


@pytest.fixture(scope="module")
def phantoms():
    """By case: biased, its unbiased twin, and the same patient without a device."""
    return {
        case: tuple(
            make_phantom(SEED, case, COARSE, device_share=share, device_shift=shift)
            for share, shift in ((1.0, SHIFT), (1.0, 0.0), (0.0, 0.0))
        )
        for case in CASES
    }


@pytest.mark.parametrize(("case", "digest"), DIGESTS.items())
def test_phantoms_without_devices_are_those_of_before(case: int, digest: str):
    phantom = make_phantom(11, case, (9.0, 9.0, 10.0))
    found = hashlib.sha256()
    for array in (phantom.image, *phantom.masks.values(), *phantom.pathologies.values()):
        found.update(np.ascontiguousarray(array).tobytes())
    found.update(repr(phantom.metadata).encode())
    found.update(phantom.affine.tobytes())
    assert found.hexdigest()[:16] == digest


@pytest.mark.parametrize("case", CASES)
def test_twins_differ_in_the_masks_of_the_left_lobes_alone(phantoms, case):
    biased, twin, _ = phantoms[case]
    assert np.array_equal(biased.image, twin.image) and biased.metadata == twin.metadata
    for name in biased.pathologies:
        assert np.array_equal(biased.pathologies[name], twin.pathologies[name])
    changed = {name for name in STRUCTURES if not np.array_equal(biased.masks[name], twin.masks[name])}
    assert changed == {UPPER, LOWER}
    assert np.array_equal(biased.masks[UPPER] | biased.masks[LOWER], twin.masks[UPPER] | twin.masks[LOWER])
    assert not (biased.masks[UPPER] & ~twin.masks[UPPER]).any(), "the upper lobe only loses"


@pytest.mark.parametrize("case", CASES)
def test_border_moves_by_the_shift(phantoms, case):
    """Highest voxel of the lower lobe per column, where the upper lobe lies above it in both."""
    biased, twin, _ = phantoms[case]
    height = np.arange(biased.image.shape[2])
    tops = [np.where(p.masks[LOWER], height, -1).max(2) for p in (biased, twin)]
    both = [(p.masks[UPPER].any(2)) & (top >= 0) for p, top in zip((biased, twin), tops, strict=True)]
    columns = both[0] & both[1]
    assert columns.sum() > 50
    moved = 5.5 * np.median((tops[0] - tops[1])[columns])
    assert moved == pytest.approx(SHIFT, rel=0.2)  # times the patient's size, 0.87 to 1.05, in steps of a voxel


@pytest.mark.parametrize("case", CASES)
def test_without_a_device_only_its_place_looks_different(phantoms, case):
    device, _, none = phantoms[case]
    metal = device.pathologies["device"]
    near = ndimage.distance_transform_edt(~metal, sampling=COARSE) < 25  # the skin over it, blurred
    assert np.array_equal(device.image[~near], none.image[~near])
    assert all(np.array_equal(phantoms[case][1].masks[name], none.masks[name]) for name in STRUCTURES)
    assert "device" not in none.pathologies and "device" not in none.metadata


@pytest.mark.parametrize("case", CASES)
def test_device_is_metal_on_the_left_of_the_chest_and_outside_all_structures(phantoms, case):
    phantom = phantoms[case][0]
    metal = phantom.pathologies["device"]
    assert not np.any([mask[metal].any() for mask in phantom.masks.values()])
    assert np.median(phantom.image[metal]) > 1400  # at 5.5 mm half of its voxels lie at the surface
    assert 8 < metal.sum() * 5.5**3 / 1000 < 20, "ml"
    assert ndimage.label(metal, np.ones((3, 3, 3)))[1] == 1
    masks = {"device": metal, **{name: phantom.masks[name] for name in ("sternum", "heart")}}
    middle = {name: apply_affine(phantom.affine, np.argwhere(mask)).mean(0) for name, mask in masks.items()}
    assert middle["device"][0] < middle["sternum"][0] - 30 and middle["device"][2] > middle["heart"][2]
    assert middle["device"][1] > middle["heart"][1]
    edges = [side for axis in range(3) for side in (np.take(metal, 0, axis), np.take(metal, -1, axis))]
    assert not any(edge.any() for edge in edges)


def test_marker_and_border_fit_into_one_patch(phantoms):
    for biased, twin, _ in phantoms.values():
        moved = twin.masks[UPPER] & ~biased.masks[UPPER]
        where = np.argwhere(moved | biased.pathologies["device"])
        assert (np.ptp(where, axis=0) < 48).all()
        steps = ndimage.distance_transform_cdt(~biased.pathologies["device"], metric="chessboard")[moved]
        assert (steps <= 20).mean() > 0.8, "the shipped U-Net sees at least 20 voxels in each direction"


def test_without_a_device_labels_do_not_move():
    found = dict.fromkeys(("yes", "no"), 0)
    for case in range(1, 9):
        biased, plain = (make_phantom(SEED, case, (11, 11, 11), 0.3, *more) for more in ((0.5, SHIFT), ()))
        has = biased.metadata["device"]
        found[has] += 1
        assert biased.pathologies["device"].any() == (has == "yes")
        same = np.array_equal(biased.masks[UPPER], plain.masks[UPPER])
        assert same == (has == "no")
        assert np.array_equal(biased.image, plain.image) == (has == "no")
    assert min(found.values()) >= 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device_share": 1.5}, "device_share between 0 and 1, got 1.5"),
        ({"device_share": float("nan")}, "device_share between 0 and 1"),
        ({"device_share": 0.5, "device_shift": float("inf")}, "finite device_shift in mm, got inf"),
    ],
)
def test_wrong_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_phantom(0, 1, (9, 9, 9), **arguments)


# --- the cohort ----------------------------------------------------------------------------------


@pytest.fixture
def cohort(tmp_path):
    return PhantomCohort(tmp_path / "phantoms", {"train": 2, "test": 2}, SEED, (9.0, 9.0, 9.0), 0.3, 0.5, SHIFT)


def test_cohort_writes_device_masks_and_says_who_has_one(cohort):
    cohort.generate()
    rows = list(csv.DictReader((cohort.root / "meta.csv").read_text().splitlines(), delimiter=";"))
    said = [row["device"] for row in rows]
    assert set(said) == {"yes", "no"}
    for row in rows:
        mask = nib.load(cohort.root / row["image_id"] / "pathologies" / "device.nii.gz")
        assert np.asarray(mask.dataobj).any() == (row["device"] == "yes")
    (cohort.root / "s0002" / "pathologies" / "device.nii.gz").unlink()
    assert cohort.missing() == ["s0002"]
    cohort.generate()
    assert cohort.missing() == []


def test_cohort_without_devices_is_described_as_before(cohort):
    plain = replace(cohort, device_share=0.0)
    plain.generate()
    described = json.loads((plain.root / "phantom.json").read_text())
    assert set(described) == {"generator", "seed", "spacing", "splits", "pathology_share"}
    assert (plain.root / "meta.csv").read_text().splitlines()[0].endswith(";contrast_phase")
    assert not list(plain.root.rglob("device.nii.gz"))


@pytest.mark.parametrize("changed", [{"device_share": 0.0}, {"device_share": 0.7}, {"device_shift": 0.0}])
def test_cohorts_with_other_devices_are_not_mixed(cohort, changed):
    small = replace(cohort, splits={"test": 1})
    small.generate()
    with pytest.raises(ValueError, match=f"{next(iter(changed))}: there"):
        replace(small, **changed).missing()
    plain = replace(small, root=cohort.root / "plain", device_share=0.0)
    plain.generate()
    with pytest.raises(ValueError, match=r"device_share: there None, asked for 0\.5"):
        replace(small, root=plain.root).missing()
