"""The authors' wide table, small and made up."""

import re

import numpy as np
import pandas as pd
import pytest

from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind, importance_array
from agg2exp.store.published_table import read_published_table

CLASSES = ("background", "lung_lower", "lung_lower_left", "mean")  # names that invite misreading


def wide(seed=0, n=3, classes=CLASSES):
    g = np.random.default_rng(seed)
    columns = {"patient": [f"s{i:04d}" for i in range(n)]}
    for a in classes:
        mass = g.dirichlet(np.ones(len(classes)), n)
        for b, share in zip(classes, mass.T, strict=True):
            columns[f"{a}_explanation_in_{b}_mass"] = share
            columns[f"{a}_explanation_in_{b}_mean"] = 5 * g.random(n)
        columns[f"{a}_explanation_var"], columns[f"{a}_explanation_mean"] = g.random(n), g.normal(size=n)
    columns |= {f"{a}_{word}": g.random(n) for word in ("iou", "dice") for a in classes}
    return pd.DataFrame(columns)


@pytest.fixture
def read(tmp_path):
    def write_and_read(table):
        table.to_csv(tmp_path / "wide.csv", index=False)
        return read_published_table(tmp_path / "wide.csv")

    return write_and_read


def test_every_number_stands_under_its_names(read):
    table = wide()
    tables = read(table.sample(frac=1, axis=1, random_state=0))
    local, segmentation = tables["roi_importance"], tables["segmentation"]
    assert list(local.columns) == ["case", "target", "source", *(kind.value for kind in Kind)]
    assert len(local) == 3 * 16 and list(segmentation.columns) == ["case", "class", "dice", "iou"]
    local, segmentation = local.set_index(["case", "target", "source"]), segmentation.set_index(["case", "class"])
    for i, case in enumerate(table["patient"]):
        for a in CLASSES:
            assert segmentation.loc[(case, a), "dice"] == table[f"{a}_dice"][i]
            assert segmentation.loc[(case, a), "iou"] == table[f"{a}_iou"][i]
            for b in CLASSES:
                assert local.loc[(case, a, b), "importance"] == table[f"{a}_explanation_in_{b}_mass"][i]
                assert local.loc[(case, a, b), "mean"] == table[f"{a}_explanation_in_{b}_mean"][i]
    assert local.drop(columns=["importance", "mean"]).isna().all(axis=None)


def test_is_read_like_a_table_of_our_own(read):
    array = importance_array(read(wide())["roi_importance"])
    np.testing.assert_allclose(array.sel(kind="importance").sum("source"), 1)


def test_columns_of_the_whole_volume_may_be_left_out(read):
    table = wide()
    without = table.drop(columns=[f"{a}_explanation_{word}" for a in CLASSES for word in ("var", "mean")])
    pd.testing.assert_frame_equal(read(without)["roi_importance"], read(table)["roi_importance"])


def test_an_absent_target_and_unknown_dice_are_nan(read):
    table = wide()
    table.loc[1, [c for c in table if c.startswith("mean_explanation_in")]] = np.nan
    table.loc[2, "mean_dice"] = np.nan
    tables = read(table)
    local = tables["roi_importance"].set_index(["case", "target"])
    assert local.loc[("s0001", "mean"), ["importance", "mean"]].isna().all(axis=None)
    assert local["importance"].isna().sum() == 4
    assert tables["segmentation"]["dice"].isna().sum() == 1


MASS = "lung_lower_explanation_in_lung_lower_left_mass"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns=MASS), f"are missing: ['{MASS}']"),
        (lambda t: t.drop(columns="patient"), "are missing: ['patient']"),
        (lambda t: t.drop(columns="lung_lower_iou"), "are missing: ['lung_lower_iou']"),
        (lambda t: t.assign(heart_explanation_in_mean_mass=0.1), "are unknown: ['heart_explanation_in_mean_mass']"),
        (lambda t: pd.concat([t, t[[MASS]]], axis=1), f"every column once, got several named ['{MASS}']"),
        (lambda t: t[["patient"]], "name the classes"),
        (lambda t: t.iloc[:0], "no row"),
        (
            lambda t: pd.concat([t, t.iloc[[1]]]),
            "once in column 'patient', got 's0001' in lines 3, 5",
        ),
        (lambda t: t.assign(patient=["s1", "", "s3"]), "line 3: expected a name in column 'patient', got none"),
        (lambda t: t.assign(**{MASS: ["0.1", "0,1", "0.2"]}), f"column {MASS}: expected a number from 0 to 1"),
        (lambda t: t.assign(mean_dice=[0.5, 1.5, 0.5]), "column mean_dice: expected a number from 0 to 1"),
        (lambda t: t.assign(**{MASS: t[MASS] + [0, 0, 0.01]}), "<source>_mass: expected masses that sum to 1"),
        (lambda t: t.assign(**{MASS: [np.nan, *t[MASS][1:]]}), "got the sum nan for case s0000"),
        (lambda t: t.assign(**{MASS: [*t[MASS][:2], -0.1]}), "got '-0.1' for case s0002"),
        (lambda t: t.assign(**{MASS.replace("_mass", "_mean"): np.inf}), "expected a number from 0, or nothing"),
    ],
)
def test_wrong_tables_are_refused_with_file_and_column(read, change, words):
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        read(change(wide()))
    assert "wide.csv" in str(error.value)


@pytest.mark.parametrize("content", ["ä,patient".encode("latin-1"), "patient".encode("utf-16-le"), b"x" * 200_000])
def test_a_file_that_is_no_csv_is_named(tmp_path, content):
    (tmp_path / "wide.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"wide\.csv, line 1: expected .*, got"):
        read_published_table(tmp_path / "wide.csv")


def test_a_line_with_another_number_of_fields_and_an_empty_file_are_refused(tmp_path):
    path = tmp_path / "wide.csv"
    text = wide().to_csv(index=False)
    path.write_text(text + "s0003,1,2\n")
    with pytest.raises(ValueError, match=r"wide\.csv, line 5: expected 49 fields, as the header has, got 3"):
        read_published_table(path)
    path.write_text("")
    with pytest.raises(ValueError, match=r"wide\.csv: expected a CSV file .*, got an empty file"):
        read_published_table(path)
