"""What a result depends on: parts, digests, differences."""

import pytest

from agg2exp.domain.provenance import Provenance, part_of

SETTINGS = {
    "torch": "2", "method": "smoothgrad", "attribution: n_samples": "20", "score": "sum", "score: class": "SumScore",
    "seed": "0", "metric faithfulness: n_subsets": "5", "expansion": "voxel", "files of the case": "abc",
}  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("method", "method"), ("attribution: n_samples", "method"), ("expansion", "method"), ("score: class", "score"),
        ("seed", "seed"), ("mask_policy", "score"), ("metric sensitivity_dice: radius", "metrics"),
        ("torch", "versions"), ("method_contrast", "method_contrast"),
    ],
)  # fmt: skip
def test_a_setting_belongs_to_the_part_that_its_name_begins_with(setting: str, part: str):
    assert part_of(setting) == part


def test_parts_can_be_left_out():
    left = Provenance(SETTINGS).without("method", "metrics", "score", "seed")
    assert dict(left.settings) == {"torch": "2", "files of the case": "abc"}
    assert dict(Provenance(SETTINGS).only("versions", "seed").settings) == {"torch": "2", "seed": "0"}


def test_importances_depend_on_neither_versions_seeds_metrics_files_nor_how_many_windows_go_at_a_time():
    of_importances = Provenance({**SETTINGS, "windows: batch": "2", "windows: overlap": "0.5"}).of_importances
    expected = ("method", "attribution: n_samples", "score", "score: class", "expansion", "windows: overlap")
    assert set(of_importances.settings) == {*expected}


def test_parts_that_differ_are_named_once_each():
    other = {**SETTINGS, "method": "kernel_shap", "attribution: n_samples": "7", "torch": "3", "expansion": "value"}
    assert Provenance(SETTINGS).differing_parts(Provenance(other)) == ["versions", "method"]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_changed_setting_changes_the_digest_unless_its_part_is_left_out(name: str):
    first, other = Provenance(SETTINGS), Provenance({**SETTINGS, name: "another"})
    missing = Provenance({key: value for key, value in SETTINGS.items() if key != name})
    assert len({first.digest(), other.digest(), missing.digest()}) == 3
    assert len({p.without(part_of(name)).digest() for p in (first, other, missing)}) == 1
    assert Provenance(dict(reversed(SETTINGS.items()))).digest() == first.digest()


def test_differences_are_told_in_words_but_for_what_only_a_result_tells():
    first = Provenance(SETTINGS)
    assert first.differences(first) == ""
    assert first.differences(Provenance({**SETTINGS, "expansion": "density"})) == ""
    other = {**{k: v for k, v in SETTINGS.items() if k != "seed"}, "score": "mean", "twins": "2"}
    expected = "score: then sum, now mean; seed: then 0, now None; twins: then None, now 2"
    assert first.differences(Provenance(other)) == expected
