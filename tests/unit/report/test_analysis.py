"""Which sections an analysis has, what becomes of those that the data do not allow, and which a tracker may have."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from agg2exp.cli.analyzed_data import with_metadata
from agg2exp.domain.errors import DataError
from agg2exp.report.analysis import sections_between, sections_of
from agg2exp.report.data_set import DataSet
from agg2exp.report.left_out import LeftOut, until_left_out, with_importances
from agg2exp.report.section import Section
from agg2exp.report.settings import AnalysisSettings
from agg2exp.report.study import Study
from tests.helpers.stored_runs import CLASSES, read_runs, stored_run

SETTINGS = AnalysisSettings(draws=100, permutations=99, forests=1)
OF_PATIENTS = {
    "context", "distributions", "poor regions", "outliers", "outliers and metadata", "slices of outliers",
    "four panels",
}  # fmt: skip


def made(section: Section) -> tuple[dict[str, object], list[str]]:
    """What a section makes, and why it is left out."""
    left_out: list[LeftOut] = []
    outputs: dict[str, object] = {}
    for name, content in until_left_out(section.data_set, section.name, section.outputs, left_out):
        outputs.setdefault(name, content)
    return outputs, [out.reason for out in left_out]


def between(data_sets: list[DataSet]) -> dict[tuple[str, str], Section]:
    """The sections between data sets but for context and Dice."""
    sections = sections_between(data_sets, {}, SETTINGS)
    return {(section.name, section.data_set): section for section in sections
            if section.name not in ("context", "Dice")}  # fmt: skip


@pytest.mark.parametrize("name", ["change_site", "dice_high", "graph", "heat_maps", "context", "presence/agreement"])
def test_what_may_leave_does_not_depend_on_the_name_of_a_data_set(tmp_path: Path, name: str):
    (data,) = read_runs(**{name: stored_run(tmp_path, n=12)})
    known = with_metadata(data, pd.DataFrame({"age": range(12)}, index=list(data.cases)), None)
    sections = [*sections_of(Study(known, known, SETTINGS)), *sections_between([known], {}, SETTINGS)]
    assert {section.name for section in sections if not section.public} == OF_PATIENTS
    assert {"presence of sources", "heat map of importance", "graph", "edges beyond distance", "outliers and Dice",
            "Dice"} <= {section.name for section in sections if section.public}  # fmt: skip


def test_a_file_of_cases_and_patients_alone_leaves_out_the_tests_on_metadata(tmp_path: Path):
    (data,) = read_runs(x=stored_run(tmp_path, n=24))
    table = pd.DataFrame({"patient": [f"p{i // 2}" for i in range(24)]}, index=list(data.cases))
    known = with_metadata(data, table, "patient")
    sections = {section.name: section for section in sections_of(Study(known, known, SETTINGS))}
    assert list(made(sections["outliers"])[0]) == ["x/outliers"]
    reason = "metadata: expected a column beside those of case and patient, got none."
    assert made(sections["outliers and metadata"]) == ({}, [reason])


def test_two_models_agree_on_their_cases_whatever_data_set_comes_first(tmp_path: Path):
    data_sets = read_runs(
        train=stored_run(tmp_path / "train", n=12, first=50),
        m1=stored_run(tmp_path / "m1", n=12),
        m2=stored_run(tmp_path / "m2", n=11, attribution="vanilla_gradient", model="other", seed=3),
    )
    sections = between(data_sets)
    assert list(sections) == [
        ("agreement", "all data sets"),
        ("differences of Dice", "m1, m2"),
        ("change", "train, m1"),
        ("change", "train, m2"),
    ]
    agreement = made(sections["agreement", "all data sets"])[0]["agreement"]
    assert agreement[["first", "second", "cases"]].to_numpy().tolist() == [["m1", "m2", 11]] * 2
    differences = made(sections["differences of Dice", "m1, m2"])[0]["dice_differences"]
    assert set(differences["data_sets"]) == {"m1, m2"}
    assert differences.loc[differences["class"] == "heart", ["count", "left_out"]].to_numpy().tolist() == [[11, 1]]
    assert made(sections["change", "train, m2"]) == (
        {},
        [
            "expected data sets that were made with the same settings, got a difference in ['model', 'method']: "
            "what changed could be due to that and not to the data"
        ],
    )


def test_methods_of_one_model_share_its_dice_and_count_once(tmp_path: Path):
    data_sets = read_runs(
        m1=stored_run(tmp_path / "m1", n=6),
        m2=stored_run(tmp_path / "m2", n=6, attribution="vanilla_gradient"),
        m3=stored_run(tmp_path / "m3", n=6, attribution="vanilla_gradient", model="other"),
    )
    assert list(between(data_sets)) == [("agreement", "all data sets"), ("differences of Dice", "m1, m3")]
    assert list(between(data_sets[:2])) == [("agreement", "all data sets")]


def test_a_sweep_over_data_and_methods_compares_what_is_alike(tmp_path: Path):
    runs = {
        f"{place}{method}": stored_run(
            tmp_path / f"{place}{method}", n=6, root=f"/data/{place}", attribution=method, model=f"of_{method}"
        )
        for place in "ab"
        for method in "xy"
    }
    sections = between(read_runs(**runs))
    agreement = made(sections["agreement", "all data sets"])[0]["agreement"]
    assert agreement[["first", "second"]].drop_duplicates().to_numpy().tolist() == [["ax", "ay"], ["bx", "by"]]
    assert list(made(sections["differences of Dice", "ax, ay"])[0]) == ["dice_differences_1"]
    assert list(made(sections["differences of Dice", "bx, by"])[0]) == ["dice_differences_2"]
    changes = {about: list(made(section)[0]) for (name, about), section in sections.items() if name == "change"}
    assert changes == {
        "ax, bx": ["change_ax_to_bx"], "ax, by": [], "ay, bx": [], "ay, by": ["change_ay_to_by"],
    }  # fmt: skip


def test_models_are_compared_in_the_classes_that_they_have_in_common(tmp_path: Path):
    fewer = [name for name in CLASSES if name != "ribs"]
    data_sets = read_runs(
        a=stored_run(tmp_path / "a", n=6), b=stored_run(tmp_path / "b", n=6, classes=fewer, attribution="x")
    )
    table = made(between(data_sets)["differences of Dice", "a, b"])[0]["dice_differences"].set_index("class")
    assert table.loc["ribs", "excluded"] == "no class of b" and table.loc["heart", "count"] == 6


def test_a_model_without_dice_leaves_the_others_their_comparison(tmp_path: Path):
    data_sets = read_runs(
        a=stored_run(tmp_path / "a", n=6),
        b=stored_run(tmp_path / "b", n=6, model="b"),
        none=stored_run(tmp_path / "none", n=6, model="none", dice=False),
    )
    found, reasons = made(between(data_sets)["differences of Dice", "a, b, none"])
    assert set(found["dice_differences"]["data_sets"]) == {"a, b"}
    assert reasons == ["none: expected Dice of some case and class, got none. The others were compared."]
    (reason,) = made(between(data_sets[1:])["differences of Dice", "b, none"])[1]
    assert reason == "expected Dice of two models or more, got ['b']."


def test_of_methods_of_one_model_the_one_with_most_dice_speaks(tmp_path: Path):
    data_sets = read_runs(
        few=stored_run(tmp_path / "few", n=2),
        many=stored_run(tmp_path / "many", n=6, attribution="vanilla_gradient"),
        other=stored_run(tmp_path / "other", n=6, model="other"),
    )
    assert ("differences of Dice", "many, other") in between(data_sets)


def test_a_data_set_without_importances_is_left_out_and_the_others_go_on(tmp_path: Path):
    good, bad = read_runs(good=stored_run(tmp_path / "good", n=6), bad=stored_run(tmp_path / "bad", n=6))
    empty = replace(bad, local=bad.local.assign(importance=float("nan")))
    twice = replace(bad, name="twice", local=pd.concat([bad.local, bad.local], ignore_index=True))
    left_out: list[LeftOut] = []
    assert with_importances([empty, good, twice], None, left_out) == [good]
    assert [(out.data_set, out.part) for out in left_out] == [("bad", "everything"), ("twice", "everything")]
    assert left_out[0].reason == "expected values of importance, got none"
    with pytest.raises(DataError, match=r"bad: expected values of importance, got none; twice: .*'c00000' twice"):
        with_importances([empty, twice], None, [])
    with pytest.raises(DataError, match="bad: expected values of importance"):
        with_importances([empty, good], "bad", [])
