"""Names of classes as users write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import MOST_CLASSES, Labels

NAMES = ("background", "heart", "lung")


def test_exclusive_classes_have_their_background_first():
    labels = Labels(NAMES)
    assert labels.background == "background" and labels.structures == ("heart", "lung")
    assert labels.sources == NAMES and len(labels) == 3 and labels.exclusive


def test_overlapping_regions_have_background_as_a_source_only():
    labels = Labels(["tumour"], head="sigmoid")
    assert labels.background == "background" and labels.structures == ("tumour",)
    assert labels.sources == ("background", "tumour") and len(labels) == 1 and not labels.exclusive


def test_indices_are_those_of_the_names_in_the_order_given():
    labels = Labels(NAMES)
    assert labels.indices("all") == (0, 1, 2) and labels.indices("lung") == (2,)
    assert labels.indices(["lung", "heart"]) == (2, 1)


@pytest.mark.parametrize("names", [[], ["spleen"], ["heart", "heart"], ["heart", "spleen"]])
def test_names_that_are_no_classes_are_told(names: list[str]):
    with pytest.raises(SettingError, match="'all' or a list without repeats from") as error:
        Labels(NAMES).indices(names)
    assert error.value.setting == "classes"


@pytest.mark.parametrize(
    ("classes", "head"),
    [
        ("heart", "softmax"),
        (None, "softmax"),
        (17, "softmax"),
        ({"background": {"group": "other", "files": []}, "heart": {}}, "softmax"),
        ([], "sigmoid"),
        (["background"], "softmax"),
        (["background", "heart", "heart"], "softmax"),
        (["background", "heart", "Heart"], "softmax"),
        (["background", "a\x1b[31m"], "softmax"),
        (["background", ["heart"]], "softmax"),
        (["tumour", "background"], "sigmoid"),
        ([str(i) for i in range(MOST_CLASSES + 1)], "softmax"),
    ],
)
def test_a_wrong_list_is_told(classes: object, head: str):
    with pytest.raises(SettingError) as error:
        Labels(classes, head)  # type: ignore[arg-type]
    assert error.value.setting == "labels"


@pytest.mark.parametrize("head", ["argmax", None, 1])
def test_an_unknown_head_is_told(head: object):
    with pytest.raises(SettingError, match=r"^head: expected one of 'softmax', 'sigmoid'"):
        Labels(NAMES, head)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [1, True, None, 1.5, "", " "])
def test_a_name_that_yaml_reads_as_something_else_is_told(name: object):
    with pytest.raises(SettingError, match="labels: expected ") as error:
        Labels([*NAMES, name])  # type: ignore[list-item]
    assert repr(name) in str(error.value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(ANYTHING, st.sampled_from(["softmax", "sigmoid"]))
def test_whatever_is_given_it_is_a_list_of_names_or_told(classes: object, head: str):
    try:
        assert list(Labels(classes, head).classes) == classes  # type: ignore[arg-type]
    except SettingError as error:
        assert error.setting == "labels"
