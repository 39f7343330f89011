"""The phantom as a radiologist would check it: completeness, positions, sizes, densities."""

import numpy as np
import pytest
from nibabel.affines import apply_affine
from nibabel.orientations import aff2axcodes
from scipy import ndimage

from agg2exp.data.phantom import make_phantom
from agg2exp.data.phantom.phantom import phantom_metadata
from agg2exp.data.phantom.structures import LOBES, PATHOLOGIES, RIBS, STRUCTURES, VERTEBRAE

COARSE = (5.5, 5.5, 5.5)
CASES = range(1, 11)
LEFT = ("lung_upper_lobe_left", "lung_lower_lobe_left", "autochthon_left")
RIGHT = ("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right", "autochthon_right")

# Plausible volumes of an adult in ml, for the part of the class inside the field of view.
VOLUMES = {
    "aorta": (100, 350),
    "lung_upper_lobe_left": (250, 1200),
    "lung_lower_lobe_left": (200, 1200),
    "lung_upper_lobe_right": (200, 1200),
    "lung_middle_lobe_right": (80, 600),
    "lung_lower_lobe_right": (200, 1300),
    "trachea": (30, 110),
    "heart": (280, 1000),
    "pulmonary_vein": (20, 120),
    "thyroid_gland": (10, 45),
    "ribs": (250, 800),
    "vertebraes": (200, 700),
    "autochthon_left": (100, 500),
    "autochthon_right": (100, 500),
    "sternum": (40, 140),
    "costal_cartilages": (60, 220),
}
BLOOD = {"native": (-60, 60), "arterial": (100, 350), "venous": (60, 200)}  # thin vessels lose contrast
DENSITIES = {
    **dict.fromkeys(LOBES, (-900, -500)),
    "trachea": (-1000, -700),
    "ribs": (150, 700),
    "vertebraes": (150, 700),
    "sternum": (150, 700),
    "costal_cartilages": (75, 145),
    "autochthon_left": (40, 75),
    "autochthon_right": (40, 75),
    "thyroid_gland": (60, 185),
}


def classes(phantom):
    """The sixteen classes, ribs and vertebrae merged."""
    merged = {"ribs": RIBS, "vertebraes": VERTEBRAE}
    single = [name for name in STRUCTURES if name not in (*RIBS, *VERTEBRAE)]
    masks = {name: phantom.masks[name] for name in single}
    return masks | {name: np.any([phantom.masks[m] for m in members], 0) for name, members in merged.items()}


def voxel_ml(phantom):
    return abs(np.linalg.det(phantom.affine[:3, :3])) / 1000


def world(phantom, mask):
    return apply_affine(phantom.affine, np.argwhere(mask))


def centre(phantom, *names):
    return world(phantom, np.any([phantom.masks[name] for name in names], 0)).mean(0)


@pytest.fixture(scope="module")
def coarse():
    return {case: make_phantom(0, case, COARSE) for case in CASES}


@pytest.fixture(scope="module")
def fine():
    return {case: make_phantom(0, case, (3.0, 3.0, 3.0), pathology_share=0) for case in (1, 2)}


def test_same_case_is_identical_and_another_differs():
    one, again, other = (make_phantom(5, case, (8, 8, 8)) for case in (3, 3, 4))
    assert np.array_equal(one.image, again.image) and one.metadata == again.metadata
    assert np.array_equal(one.affine, again.affine)
    assert all(np.array_equal(one.masks[name], again.masks[name]) for name in STRUCTURES)
    assert one.image.shape != other.image.shape or not np.array_equal(one.image, other.image)
    assert not np.array_equal(one.affine[:3, 3], make_phantom(6, 3, (8, 8, 8)).affine[:3, 3])


def test_pathology_share_leaves_the_patient_alone():
    healthy, ill = (make_phantom(0, 2, (8, 8, 8), share) for share in (0.0, 1.0))
    assert not any(mask.any() for mask in healthy.pathologies.values())
    assert any(mask.any() for mask in ill.pathologies.values())
    for name in ("heart", "aorta", "rib_left_5", "vertebrae_T7", "sternum"):
        assert np.array_equal(healthy.masks[name], ill.masks[name])


@pytest.mark.parametrize("case", CASES)
def test_every_class_is_present_small_enough_and_disjoint(coarse, case):
    phantom = coarse[case]
    assert phantom.image.dtype == np.int16 and max(phantom.image.shape) <= 64
    assert set(phantom.masks) == set(STRUCTURES) and set(phantom.pathologies) == set(PATHOLOGIES)
    assert all(mask.dtype == bool and mask.shape == phantom.image.shape for mask in phantom.masks.values())
    assert np.sum(list(phantom.masks.values()), axis=0).max() == 1
    volumes = {name: mask.sum() * voxel_ml(phantom) for name, mask in classes(phantom).items()}
    wrong = {name: v for name, v in volumes.items() if not VOLUMES[name][0] <= v <= VOLUMES[name][1]}
    assert set(volumes) == set(VOLUMES) and not wrong
    assert all(phantom.masks[name].sum() >= 15 for name in RIBS)


@pytest.mark.parametrize("case", CASES)
def test_every_class_is_present_on_an_anisotropic_grid(case):
    phantom = make_phantom(0, case, (3.0, 4.5, 6.0))
    assert np.abs(np.diag(phantom.affine)[:3]) == pytest.approx([3.0, 4.5, 6.0])
    assert all(mask.any() for mask in classes(phantom).values())


@pytest.mark.parametrize("case", CASES)
def test_everything_labelled_lies_inside_the_field_of_view(coarse, case):
    phantom = coarse[case]
    cut = {"aorta", "autochthon_left", "autochthon_right", *VERTEBRAE}  # run on into neck and abdomen
    for name, mask in phantom.masks.items():
        edges = [mask[0], mask[-1], mask[:, 0], mask[:, -1]]
        edges += [] if name in cut else [mask[:, :, 0], mask[:, :, -1]]
        assert not any(edge.any() for edge in edges), name
    for side in (phantom.image[0], phantom.image[-1], phantom.image[:, 0], phantom.image[:, -1]):
        assert side.max() < -700, "air around the body"
    top = phantom.affine[2, 3] + phantom.affine[2, 2] * (phantom.image.shape[2] - 0.5)
    assert top - world(phantom, phantom.masks["thyroid_gland"])[:, 2].max() > 8


@pytest.mark.parametrize("case", CASES)
def test_organs_lie_where_they_belong(coarse, case):
    phantom = coarse[case]
    spine = centre(phantom, *VERTEBRAE)
    heart, trachea, thyroid = (centre(phantom, name) for name in ("heart", "trachea", "thyroid_gland"))
    left_lung = centre(phantom, "lung_upper_lobe_left", "lung_lower_lobe_left")
    right_lung = centre(phantom, *RIGHT[:3])
    assert all(centre(phantom, name)[0] < spine[0] for name in (*LEFT, *RIBS[:12]))
    assert all(centre(phantom, name)[0] > spine[0] for name in (*RIGHT, *RIBS[12:]))
    assert left_lung[0] < heart[0] < right_lung[0]
    assert abs(heart[0] - left_lung[0]) < abs(heart[0] - right_lung[0]), "the heart lies to the left"
    assert heart[1] > spine[1] and heart[2] < trachea[2] < thyroid[2]
    assert centre(phantom, "sternum")[1] > heart[1] and centre(phantom, "costal_cartilages")[1] > heart[1]
    assert max(centre(phantom, f"autochthon_{side}")[1] for side in ("left", "right")) < spine[1]
    assert centre(phantom, "lung_upper_lobe_right")[2] > centre(phantom, "lung_middle_lobe_right")[2]
    assert centre(phantom, "lung_middle_lobe_right")[1] > centre(phantom, "lung_lower_lobe_right")[1]
    assert centre(phantom, "lung_upper_lobe_left")[2] > centre(phantom, "lung_lower_lobe_left")[2]
    heights = [centre(phantom, f"vertebrae_T{level}")[2] for level in range(1, 13)]
    assert (np.diff(heights) < -10).all()
    for side in ("left", "right"):
        ribs = [world(phantom, phantom.masks[f"rib_{side}_{number}"]) for number in range(1, 13)]
        assert (np.diff([rib[:, 2].mean() for rib in ribs]) < 0).all(), "numbered from above"
        for rib in ribs[:10]:  # the last two are short and nearly level
            back, front = rib[rib[:, 1].argmin()], rib[rib[:, 1].argmax()]
            assert front[2] < back[2], "slopes downward to the front"


@pytest.mark.parametrize("case", [1, 2])
def test_trachea_divides_once_and_the_aorta_descends_left_in_front_of_the_spine(fine, case):
    phantom = fine[case]
    airway = phantom.masks["trachea"]
    levels = np.flatnonzero(airway.any((0, 1)))
    branches = [ndimage.label(airway[:, :, level])[1] for level in levels]
    carina = max(index for index, count in enumerate(branches) if count == 2)
    assert all(count == 1 for count in branches[carina + 1 :]) and len(branches) - carina > 25
    assert carina >= 3, "two main bronchi below the carina"

    level = levels[carina] - round(60 / 3)  # well below the arch
    aorta = world(phantom, phantom.masks["aorta"] & _slice(airway.shape, level)).mean(0)
    spine = np.any([phantom.masks[name] for name in VERTEBRAE], 0)
    bone = world(phantom, spine & _slice(airway.shape, level)).mean(0)
    assert aorta[0] < bone[0] and aorta[1] > bone[1]


def _slice(shape, level):
    mask = np.zeros(shape, bool)
    mask[:, :, level] = True
    return mask


@pytest.mark.parametrize("case", [1, 2])
def test_structures_hang_together(fine, case):
    for name, mask in fine[case].masks.items():
        if mask.sum() > 100 and not name.startswith("vertebrae"):  # a vertebra may be cut by the border
            pieces, _ = ndimage.label(mask, np.ones((3, 3, 3)))
            largest = np.bincount(pieces.ravel())[1:].max()
            share = 0.3 if name in ("costal_cartilages", "pulmonary_vein") else 0.95  # several pieces
            assert largest >= share * mask.sum(), name


@pytest.mark.parametrize("case", CASES)
def test_densities(coarse, case):
    phantom = coarse[case]
    blood = BLOOD[phantom.metadata["contrast_phase"]]
    for name, mask in classes(phantom).items():
        low, high = DENSITIES.get(name, blood)
        assert low <= phantom.image[mask].mean() <= high, name


def test_the_cohort_varies(coarse):
    facts = [phantom.metadata for phantom in coarse.values()]
    assert {fact["gender"] for fact in facts} == {"f", "m"}
    assert {fact["contrast_phase"] for fact in facts} == {"native", "arterial", "venous"}
    assert all(18 <= fact["age"] <= 90 for fact in facts)
    assert len({phantom.image.shape for phantom in coarse.values()}) > 3


def test_same_patient_at_two_spacings(coarse, fine):
    for case, detailed in fine.items():
        simple = make_phantom(0, case, COARSE, pathology_share=0)
        assert detailed.metadata == simple.metadata
        for name in (*LOBES, "heart", "aorta", "autochthon_left", "autochthon_right", "trachea"):
            volumes = [p.masks[name].sum() * voxel_ml(p) for p in (simple, detailed)]
            assert volumes[0] == pytest.approx(volumes[1], rel=0.15), name
            gap = centre(simple, name) - centre(detailed, name)
            assert np.linalg.norm(gap) < 4, "same place in the world"


def test_orientation_alternates_and_the_origin_is_not_zero(coarse):
    for case, phantom in coarse.items():
        assert "".join(aff2axcodes(phantom.affine)) == ("RAS" if case % 2 == 0 else "LPS")
        assert np.abs(phantom.affine[:3, 3]).max() > 50


@pytest.mark.parametrize("case", range(20, 28))
def test_pathologies_lie_in_the_thorax(case):
    phantom = make_phantom(1, case, COARSE, pathology_share=1)
    present = [name for name, mask in phantom.pathologies.items() if mask.any()]
    assert present == phantom.metadata["pathology"].split("+")
    lobes = np.any([phantom.masks[name] for name in LOBES], 0)
    ribs = np.argwhere(np.any([phantom.masks[name] for name in RIBS], 0))
    for name in present:
        mask = phantom.pathologies[name]
        assert mask.sum() * voxel_ml(phantom) > 8
        assert (np.argwhere(mask) >= ribs.min(0)).all() and (np.argwhere(mask) <= ribs.max(0)).all()
    places = dict(zip(present, phantom.metadata["pathology_location"].split("+"), strict=True))
    if "consolidation" in places:
        mask = phantom.pathologies["consolidation"]
        assert phantom.masks[places["consolidation"]][mask].all(), "the lobe's mask covers it"
        assert -120 < phantom.image[mask].mean() < 80
    if "pleural_effusion" in places:
        mask = phantom.pathologies["pleural_effusion"]
        assert not np.any([m[mask].any() for m in phantom.masks.values()]), "fluid is not lung"
        assert -100 < phantom.image[mask].mean() < 40
        middle = world(phantom, mask).mean(0)
        assert middle[1] < world(phantom, lobes).mean(0)[1], "dependent: at the back"
        on_the_left = middle[0] < centre(phantom, *VERTEBRAE)[0]
        assert places["pleural_effusion"] == ("pleura_left" if on_the_left else "pleura_right")


def test_metadata_needs_no_scan(coarse):
    assert phantom_metadata(0, 3, 0.3) == coarse[3].metadata


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spacing": (0, 1, 1)}, "positive spacing"),
        ({"pathology_share": 2}, "pathology_share between 0 and 1"),
    ],
)
def test_refuses_impossible_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_phantom(0, 1, **{"spacing": COARSE} | arguments)
