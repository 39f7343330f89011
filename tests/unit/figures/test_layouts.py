from __future__ import annotations

import numpy as np
import pytest

from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.layouts import NAME_ROOM, body, place_of

CLASSES = ("background", "thyroid_gland", "heart", "lung_upper_lobe_left", "lung_lower_lobe_left",
           "lung_lower_lobe_right", "vertebraes", "autochthon_left", "autochthon_right", "unheard_of")  # fmt: skip
ANATOMY = Anatomy(classes=CLASSES).joined({"autochthon": ["autochthon_left", "autochthon_right"]})


def test_a_body_is_seen_from_the_front():
    place = body([*ANATOMY.classes, "nodule"], ANATOMY)
    assert list(place) == [*ANATOMY.classes, "nodule"]
    assert place["lung_lower_lobe_left"][0] > place["heart"][0] > place["lung_lower_lobe_right"][0]
    assert place["thyroid_gland"][1] > place["heart"][1] > place["vertebraes"][1]
    assert place["lung_upper_lobe_left"][1] > place["lung_lower_lobe_left"][1]
    assert abs(place["autochthon"][0]) < 0.2  # left and right joined


def test_what_has_no_place_stands_below():
    place = body([*ANATOMY.classes, "nodule"], ANATOMY)
    outside = ("background", "unheard_of", "nodule")
    lowest = min(y for name, (_, y) in place.items() if name not in outside)
    assert all(place[name][1] < lowest for name in outside)


def test_sides_mirror_each_other():
    x, y = place_of("kidney_left")
    assert place_of("kidney_right") == (-x, y)
    assert x > 0
    assert place_of("rib_left_3") == place_of("rib_right_12")
    assert place_of("not_a_structure") is None


@pytest.mark.parametrize("n", [1, 5, 12])
def test_classes_at_one_place_are_pushed_apart(n):
    names = tuple(f"vertebrae_T{i}" for i in range(n))
    anatomy = Anatomy(classes=("background", *names))
    points = np.array(list(body(anatomy.classes, anatomy).values()))
    apart = np.abs(points[:, None] - points)
    near = (apart < NAME_ROOM - 1e-4).all(axis=2)
    assert near.sum() == n + 1  # each to itself


def test_masks_alone_have_places_too():
    place = body(["nodule", "effusion", *"abcdefg"], ANATOMY)
    assert len({tuple(p) for p in place.values()}) == 9
