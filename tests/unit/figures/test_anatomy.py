"""Groups and colours as users write them, and those of classes that nobody grouped."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.figures.anatomy import Anatomy, Group
from agg2exp.figures.palette import distinct
from agg2exp.figures.style import group_legend
from tests.unit.domain.test_labels import ANYTHING

GROUPS = {"chest": {"colour": "#D50", "classes": ["heart", "lung", "nodule"]}, "other": {"colour": "#999999"}}
LABELS = Labels(("background", "heart", "lung", "liver", "spleen"))


def test_groups_are_what_the_configuration_says():
    anatomy = Anatomy(GROUPS).of(LABELS)  # type: ignore[arg-type]
    assert anatomy == Anatomy(
        {"chest": Group("#D50", ("heart", "lung", "nodule")), "other": Group("#999999")}, LABELS.classes
    )
    assert (anatomy.group("lung"), anatomy.colour("lung")) == ("chest", "#D50")
    assert (anatomy.group("nodule"), anatomy.colour("nodule")) == ("chest", "#D50")


def test_a_class_in_no_group_has_a_colour_of_its_own():
    anatomy = Anatomy(GROUPS).of(LABELS)  # type: ignore[arg-type]
    assert anatomy.group("liver") == "liver"
    assert anatomy.colour("background") == "#999999"
    assert len({anatomy.colour(name) for name in ("heart", "background", "liver", "spleen", "effusion")}) == 5
    assert list(anatomy.colours) == ["chest", "other", "background", "liver", "spleen", "pathologies"]


def test_extra_masks_are_pathologies_which_need_not_be_given():
    assert Anatomy().of(LABELS).colour("effusion") == "#000000"
    own = Anatomy({"pathologies": Group("#ff0000", ())}).of(LABELS)
    assert (own.group("effusion"), own.colour("effusion")) == ("pathologies", "#ff0000")
    assert next(iter(own.colours)) == "pathologies"


def test_ten_names_have_ten_colours_that_differ():
    anatomy = Anatomy().of(Labels(("background", *(f"organ_{i}" for i in range(10)))))
    colours = [anatomy.colour(name) for name in anatomy.classes]
    apart = [np.abs(np.subtract(to_rgb(a), to_rgb(b))).max() for a, b in combinations(colours, 2)]
    assert min(apart) > 0.15


def test_as_many_names_as_there_may_be_have_colours_of_their_own():
    colours = distinct(255, taken=["#e69f00", "#F0E442"])
    assert len({c.lower() for c in colours}) == 255
    assert not {"#E69F00", "#F0E442"} & {*colours}
    assert distinct(7) == distinct(255)[:7]


def test_overlapping_regions_have_a_grey_background():
    anatomy = Anatomy().of(Labels(("whole", "core"), "sigmoid"))
    assert anatomy.classes == ("background", "whole", "core")
    assert anatomy.colour("background") == "#999999"


def test_joined_classes_stand_in_place_and_group_of_the_first():
    anatomy = Anatomy(GROUPS).of(LABELS).joined({"trunk": ["lung", "liver"]})  # type: ignore[arg-type]
    assert anatomy.classes == ("background", "heart", "trunk", "spleen")
    assert anatomy.parts("trunk") == ("lung", "liver")
    assert (anatomy.group("trunk"), anatomy.colour("trunk")) == ("chest", "#D50")
    twice = anatomy.joined({"all": ["trunk", "spleen"]})
    assert twice.parts("all") == ("lung", "liver", "spleen") and twice.group("all") == "chest"
    assert anatomy.parts("effusion") == ()


def test_a_legend_names_groups_and_leaves_out_classes_that_are_none():
    anatomy = Anatomy(GROUPS).of(LABELS)  # type: ignore[arg-type]
    legend = group_legend(["liver", "effusion", "heart", "background"], anatomy)
    assert [entry.get_label() for entry in legend] == ["chest", "pathologies"]


@pytest.mark.parametrize(
    ("groups", "key"),
    [
        (None, "groups"),
        ("chest", "groups"),
        ({5: {"colour": "#000"}}, "groups"),
        ({" ": {"colour": "#000"}}, "groups"),
        ({"a\x1b[31m": {"colour": "#000"}}, "groups"),
        ({"chest": None}, "groups.chest"),
        ({"chest": "#000000"}, "groups.chest"),
        ({"chest": {}}, "groups.chest.colour"),
        ({"chest": {"colour": None}}, "groups.chest.colour"),
        ({"chest": {"colour": "none"}}, "groups.chest.colour"),
        ({"chest": {"colour": 0xD55E00}}, "groups.chest.colour"),
        ({"chest": {"colour": "#12345"}}, "groups.chest.colour"),
        ({"chest": {"colour": "#000", "classes": "heart"}}, "groups.chest.classes"),
        ({"chest": {"colour": "#000", "classes": None}}, "groups.chest.classes"),
        ({"chest": {"colour": "#000", "classes": [5]}}, "groups.chest.classes"),
        ({"chest": {"colour": "#000", "class": ["heart"]}}, "groups.chest.class"),
        ({"a": {"colour": "#000", "classes": ["x"]}, "b": {"colour": "#111", "classes": ["x"]}}, "groups"),
    ],
)
def test_a_wrong_entry_is_named_by_its_key(groups: object, key: str):
    with pytest.raises(SettingError) as error:
        Anatomy(groups)  # type: ignore[arg-type]
    assert error.value.setting == key


@settings(deadline=None)
@given(ANYTHING | st.dictionaries(st.text(max_size=4), ANYTHING) | st.fixed_dictionaries({"a": st.fixed_dictionaries(
    {"colour": st.sampled_from(["#000", "#12345", None]), "classes": ANYTHING})}))  # fmt: skip
def test_whatever_is_given_every_region_has_a_colour_or_it_is_told(groups: object):
    try:
        anatomy = Anatomy(groups).of(LABELS)  # type: ignore[arg-type]
    except SettingError as error:
        assert error.setting.startswith("groups")
    else:
        assert all(anatomy.colour(name).startswith("#") for name in (*LABELS.classes, "effusion"))
