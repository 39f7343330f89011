"""Which structures make up a class, as users write it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agg2exp.data.merge import structures_of
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from tests.unit.domain.test_labels import ANYTHING

LABELS = Labels(("background", "heart", "lung"))
LUNG = {"lung": ["lung_left", "lung_right"]}


def test_a_class_that_is_not_named_is_the_structure_of_its_own_name():
    assert structures_of(LABELS) == ((), ("heart",), ("lung",))
    assert structures_of(LABELS, LUNG) == ((), ("heart",), ("lung_left", "lung_right"))
    assert structures_of(Labels(("tumour",), "sigmoid")) == (("tumour",),)


def test_what_is_said_of_classes_of_other_models_means_nothing():
    assert structures_of(LABELS, LUNG | {"ribs": ["rib_1", "heart"]}) == structures_of(LABELS, LUNG)


@pytest.mark.parametrize(
    ("merge", "key"),
    [
        (["lung"], "merge"),
        ({"lung": "lung_left"}, "merge.lung"),
        ({"lung": None}, "merge.lung"),
        ({"lung": []}, "merge.lung"),
        ({"lung": [5]}, "merge.lung"),
        ({"lung": [["lung_left"]]}, "merge.lung"),
        ({"lung": ["../../lung"]}, "merge.lung"),
        ({"lung": ["lung_left", "lung_left"]}, "merge.lung"),
        ({"background": ["air"]}, "merge.background"),
        ({5: ["lung_left"]}, "merge"),
        ({"lung": ["x"], "Lung": ["y"]}, "merge"),
    ],
)
def test_a_wrong_entry_is_named_by_its_key(merge: object, key: str):
    with pytest.raises(SettingError) as error:
        structures_of(LABELS, merge)  # type: ignore[arg-type]
    assert error.value.setting == key


def test_a_class_whose_name_leads_outside_has_no_structure_of_that_name():
    labels = Labels(("background", "../../lung"))
    with pytest.raises(SettingError, match=r"got '\.\./\.\./lung'"):
        structures_of(labels)
    assert structures_of(labels, {"../../lung": ["lung"]}) == ((), ("lung",))


@pytest.mark.parametrize("merge", [{"lung": ["lung_left", "heart"]}, {"lung": ["a"], "heart": ["b", "a"]}])
def test_a_structure_in_two_exclusive_classes_would_empty_one_of_them(merge: dict[str, list[str]]):
    with pytest.raises(SettingError, match=r"every structure in one class, got \['(heart|a)'\].*later"):
        structures_of(LABELS, merge)


def test_overlapping_regions_may_share_structures():
    regions = Labels(("whole", "core"), "sigmoid")
    assert structures_of(regions, {"whole": ["oedema", "core"]}) == (("oedema", "core"), ("core",))


@settings(deadline=None)
@given(ANYTHING | st.dictionaries(st.sampled_from([*LABELS.classes, "x"]), ANYTHING))
def test_whatever_is_given_every_class_has_structures_or_it_is_told(merge: object):
    try:
        assert all(structures_of(LABELS, merge)[1:])  # type: ignore[arg-type]
    except SettingError as error:
        assert error.setting.startswith("merge")
