from __future__ import annotations

import numpy as np
import pytest

from agg2exp.domain.labels import LabelScheme
from agg2exp.figures.layouts import APART, body, place_of

FILES = {
    "background": (),
    "thyroid_gland": ("thyroid_gland",),
    "heart": ("heart",),
    "lung_upper_lobe_left": ("lung_upper_lobe_left",),
    "lung_lower_lobe_left": ("lung_lower_lobe_left",),
    "lung_lower_lobe_right": ("lung_lower_lobe_right",),
    "vertebraes": ("vertebrae_C1", "vertebrae_L5"),
    "autochthon": ("autochthon_left", "autochthon_right"),
    "unheard_of": ("unheard_of",),
}
SCHEME = LabelScheme(
    "test", tuple(FILES), tuple(FILES.values()), ("other",) * len(FILES), {"other": "#888888", "pathologies": "#000000"}
)


def test_a_body_is_seen_from_the_front():
    place = body([*SCHEME.classes, "nodule"], SCHEME)
    assert list(place) == [*SCHEME.classes, "nodule"]
    assert place["lung_lower_lobe_left"][0] > place["heart"][0] > place["lung_lower_lobe_right"][0]
    assert place["thyroid_gland"][1] > place["heart"][1] > place["vertebraes"][1]
    assert place["lung_upper_lobe_left"][1] > place["lung_lower_lobe_left"][1]
    assert abs(place["autochthon"][0]) < 0.2  # left and right joined


def test_what_has_no_place_stands_below():
    place = body([*SCHEME.classes, "nodule"], SCHEME)
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
    scheme = LabelScheme(
        "t", ("background", *names), ((), *((name,) for name in names)), ("other",) * (n + 1), SCHEME.colours
    )
    points = np.array(list(body(scheme.classes, scheme).values()))
    apart = np.abs(points[:, None] - points)
    near = (apart < APART - 1e-4).all(axis=2)
    assert near.sum() == n + 1  # each to itself


def test_masks_alone_have_places_too():
    place = body(["nodule", "effusion", *"abcdefg"], SCHEME)
    assert len({tuple(p) for p in place.values()}) == 9
