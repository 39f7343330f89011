"""Tables over cases."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.roi_importance import Kind, LocalImportance
from agg2exp.store.case_result import CaseResult, SupervoxelValues
from agg2exp.store.tables import case_tables, check_same_settings, read_tables, write_tables

CLASSES = ("background", "heart", "lung")


def result(case: str, **settings: str) -> CaseResult:
    values = {kind: np.arange(8.0).reshape(2, 4) + k for k, kind in enumerate(Kind)}
    status = ("ok", "absent from the prediction")
    return CaseResult(
        importance=LocalImportance(case, ("lung", "heart"), (*CLASSES, "nodule"), values, status),
        classes=CLASSES,
        voxels=np.array([500, 0, 12]),
        dice=np.array([0.9, np.nan, 0.5]),
        iou=np.array([0.8, np.nan, 0.25]),
        settings={"method": "gradient", **settings},
        passes=PassCounts(8, 16),
        seconds=1.25,
    )


def test_cases_are_sorted_and_every_number_stands_under_its_names():
    tables = case_tables([result("s2"), result("s1")])
    local = tables["roi_importance"]
    assert list(local.columns) == ["case", "target", "source", *(k.value for k in Kind)]
    assert list(local["case"]) == ["s1"] * 8 + ["s2"] * 8
    row = local.set_index(["case", "target", "source"]).loc[("s2", "heart", "nodule")]
    assert row["importance"] == 7
    assert row["expected_by_distance"] == 7 + list(Kind).index(Kind.EXPECTED_BY_DISTANCE)


def test_segmentation_says_why_a_class_was_not_explained():
    table = case_tables([result("s1")])["segmentation"].set_index("class")
    assert list(table["explained"]) == ["not asked for", "absent from the prediction", "ok"]  # by name, not by order
    assert list(table["predicted_voxels"]) == [500, 0, 12]
    assert table.loc["lung", "dice"] == 0.5
    assert np.isnan(table.loc["heart", "iou"])


def test_times_lie_apart_so_that_the_others_are_the_same_everywhere():
    tables = case_tables([result("s1")])
    assert tables["timings"].to_dict("records") == [
        {
            "case": "s1",
            "seconds": 1.25,
            "window_forwards": 8,
            "window_backwards": 16,
            "windows_reused": 0,
            "memory_fallback": "",
        }
    ]
    assert not any("seconds" in tables[name].columns for name in ("roi_importance", "segmentation"))


def test_tables_come_back_from_disk(tmp_path: Path):
    tables = case_tables([result("s1"), result("s2")])
    write_tables(tmp_path, tables)
    for name, table in read_tables(tmp_path, tables).items():
        pd.testing.assert_frame_equal(table, tables[name])
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{name}.parquet" for name in tables)


def test_curves_have_a_row_per_point():
    curve = np.array([[[0.0, 1.0], [0.4, 0.5], [1.0, 0.0]], [[0.0, -1.0], [0.4, np.nan], [1.0, 0.0]]])
    table = case_tables([replace(result("s1"), curves={"most_relevant_first": curve}), result("s2")])["curves"]
    assert table["case"].tolist() == ["s1"] * 6 and set(table["name"]) == {"most_relevant_first"}
    assert table[table["target"] == "lung"][["x", "y"]].to_numpy().tolist() == curve[0].tolist()
    np.testing.assert_array_equal(table[table["target"] == "heart"][["x", "y"]], curve[1])


def test_importances_by_channel_have_a_table_only_if_there_are_any():
    by_channel = np.arange(16.0).reshape(2, 4, 2)
    one = result("s1")
    shares = np.array([[0.25, 0.75], [1.0, 0.0]])
    importance = replace(one.importance, channels=("t1", "t2"), by_channel=by_channel, channel_shares=shares)
    tables = case_tables([result("s2"), replace(one, importance=importance)])
    assert tables["channel_shares"].to_numpy().tolist() == [
        ["s1", "lung", "t1", 0.25], ["s1", "lung", "t2", 0.75], ["s1", "heart", "t1", 1], ["s1", "heart", "t2", 0],
    ]  # fmt: skip
    table = tables["importance_by_channel"]
    assert list(table.columns) == ["case", "target", "source", "channel", "importance"]
    assert set(table["case"]) == {"s1"}
    values = table.set_index(["target", "source", "channel"])["importance"]
    assert values["heart", "lung", "t1"] == by_channel[1, 2, 0]
    assert values["lung", "nodule", "t2"] == by_channel[0, 3, 1]
    assert len(table) == 16


def test_results_of_other_settings_are_not_mixed():
    check_same_settings([result("s1"), result("s2")])
    with pytest.raises(ValueError, match=r"s1 and s3 .*\(method: then .*, now smooth; noise: then .*, now 0\.1\)"):
        check_same_settings([result("s1"), result("s2"), result("s3", method="smooth", noise="0.1")])


def test_notes_and_supervoxels_have_tables_of_their_own_only_if_there_are_any():
    assert set(case_tables([result("s1")])) == {"roi_importance", "segmentation", "timings"}
    found = SupervoxelValues(np.array([5, 7, 1]), np.arange(6.0).reshape(2, 3), np.full((2, 3), 0.5))
    noted = replace(result("s1"), notes={"gap": np.array([0.1, 0.2]), "low": np.array([1.0, 0.0])}, supervoxels=found)
    tables = case_tables([result("s2"), noted])
    notes = tables["notes"].set_index(["case", "target", "name"])["value"]
    assert notes.to_dict() == {
        ("s1", "lung", "gap"): 0.1,
        ("s1", "heart", "gap"): 0.2,
        ("s1", "lung", "low"): 1.0,
        ("s1", "heart", "low"): 0.0,
    }
    row = tables["supervoxels"].set_index(["case", "target", "supervoxel"]).loc[("s1", "heart", 2)]
    assert (row["voxels"], row["value"], row["standard_error"]) == (1, 5.0, 0.5)
    assert len(tables["supervoxels"]) == 6
