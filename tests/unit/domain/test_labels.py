"""Label schemes as users write them."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import LabelScheme
from tests.helpers import cases

SPEC = {
    "name": "toy",
    "classes": {
        "background": {"group": "other", "files": []},
        "heart": {"group": "chest", "files": ["heart"]},
        "lung": {"group": "chest", "files": ["lung_left", "lung_right"]},
    },
    "groups": {"other": "#999999", "chest": "#D50", "pathologies": "#000000"},
}
MISSING = object()


def changed(path: str, value: object) -> dict:
    spec = deepcopy(SPEC)
    *parents, key = path.split(".")
    node = spec
    for parent in parents:
        node = node[parent]
    node.pop(key, None)
    if value is not MISSING:
        node[key] = value
    return spec


def test_a_scheme_is_what_its_configuration_says():
    scheme = LabelScheme.from_config(**SPEC)
    assert scheme.classes == ("background", "heart", "lung")
    assert scheme.files == ((), ("heart",), ("lung_left", "lung_right"))
    assert scheme.colour("lung") == "#D50" and scheme.colour("nodule") == "#000000"


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("name", MISSING, "name"),
        ("name", 17, "name"),
        ("classes", MISSING, "classes"),
        ("classes", {}, "classes"),
        ("classes", ["heart"], "classes"),
        ("classes.heart", None, "classes.heart"),
        ("classes.heart", ["heart"], "classes.heart"),
        ("classes.heart.files", MISSING, "classes.heart.files"),
        ("classes.heart.files", "heart", "classes.heart.files"),
        ("classes.heart.files", [["heart"]], "classes.heart.files"),
        ("classes.heart.files", [5], "classes.heart.files"),
        ("classes.heart.files", [], "classes.heart.files"),
        ("classes.heart.files", ["../../heart"], "classes.heart.files"),
        ("classes.heart.files", ["heart", "heart"], "classes.heart.files"),
        ("classes.background.files", None, "classes.background.files"),
        ("classes.heart.group", MISSING, "classes.heart.group"),
        ("classes.heart.group", "cest", "classes.heart.group"),
        ("classes.heart.group", {"chest": 1}, "classes.heart.group"),
        ("classes.heart.file", ["heart"], "classes.heart.file"),
        ("classes.Heart", {"group": "chest", "files": ["x"]}, "classes"),
        ("classes.a\x1b[31m", {"group": "chest", "files": ["x"]}, "classes"),
        ("groups", MISSING, "groups"),
        ("groups", "other", "groups"),
        ("groups.chest", None, "groups.chest"),
        ("groups.chest", "none", "groups.chest"),
        ("groups.chest", 0xD55E00, "groups.chest"),
        ("groups.chest", "#12345", "groups.chest"),
        ("groups.pathologies", "no colour", "groups.pathologies"),
        ("group", {}, "group"),
    ],
)
def test_a_wrong_entry_is_named_by_its_key(path: str, value: object, key: str):
    with pytest.raises(SettingError) as error:
        LabelScheme.from_config(**changed(path, value))
    assert error.value.setting == key


@pytest.mark.parametrize("name", [1, True, None, 1.5, ""])
def test_a_name_that_yaml_reads_as_something_else_is_told(name: object):
    spec = deepcopy(SPEC)
    spec["classes"][name] = {"group": "chest", "files": ["x"]}
    with pytest.raises(SettingError, match="classes: expected a word; what YAML takes for something else") as error:
        LabelScheme.from_config(**spec)
    assert repr(name) in str(error.value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
PATHS = ["name", "classes", "groups", "classes.heart", "classes.heart.files", "classes.heart.group", "groups.chest"]


@settings(deadline=None)
@given(st.sampled_from(PATHS), ANYTHING)
def test_whatever_stands_in_an_entry_it_is_a_scheme_or_told(path: str, value: object):
    try:
        LabelScheme.from_config(**changed(path, value))
    except SettingError as error:
        assert error.setting.startswith(path.split(".")[0])


def test_a_structure_in_two_classes_would_empty_one_of_them():
    classes = {**cases.CLASSES, "vessels": {"group": "cardiovascular", "files": ["vein", "aorta"]}}
    with pytest.raises(SettingError, match=r"every structure file once, got \['aorta'\].*later"):
        cases.scheme(classes)


def test_a_group_of_pathologies_is_not_compulsory():
    classes = {"background": {"group": "all", "files": []}, "liver": {"group": "all", "files": ["liver"]}}
    scheme = LabelScheme.from_config("mine", classes, {"all": "#336699"})
    assert scheme.colour("liver") == "#336699"
    assert scheme.colour("nodule") == "#000000"
    own = LabelScheme.from_config("mine", classes, {"all": "#336699", "pathologies": "#ff0000"})
    assert own.colour("nodule") == "#ff0000"
