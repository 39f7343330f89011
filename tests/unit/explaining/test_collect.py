"""The end of a run is a pure function of its folder."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from agg2exp.domain.errors import SettingError
from agg2exp.domain.roi_importance import Kind
from agg2exp.explaining.case_result import case_result
from agg2exp.metrics import Complexity
from agg2exp.metrics.facts import facts_of
from agg2exp.store.case_store import CaseStore
from tests.helpers.explanations import collected, scheme, small_case, small_explanation


def store(folder: Path, name: str, *, by_distance: bool = False) -> None:
    """The result of a case with one metric."""
    case = small_case(name, seed=ord(name[0]))
    values = torch.tensor([0.1, 0.2, 0.3, 0.4 + ord(name[0])], dtype=torch.float64)
    explanation = replace(
        small_explanation(case, seed=ord(name[0])),
        metrics={"complexity": values},
        metric_facts={"complexity": facts_of(Complexity())},
    )
    CaseStore(folder).write(case_result(case, explanation, scheme(), by_distance=by_distance))


def contents(folder: Path) -> dict[str, bytes]:
    paths = [*folder.glob("tables/*"), *folder.glob("figures/*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_same_files_give_the_same_bytes_in_whatever_order_and_again(tmp_path: Path):
    for folder, cases in ((tmp_path / "a", "xyz"), (tmp_path / "b", "zxy")):
        for name in cases:
            store(folder, name)
        assert sorted(collected(folder, [*cases]).done) == ["x", "y", "z"]
    first = contents(tmp_path / "a")
    assert first == contents(tmp_path / "b")
    assert {"tables/metric_summary.parquet", "figures/heat_map.png", "figures/graph.png"} <= {*first}
    collected(tmp_path / "a")
    assert contents(tmp_path / "a") == first


def test_every_case_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in "xy":
        store(tmp_path, name)
    read, reads = CaseStore.read, []
    monkeypatch.setattr(CaseStore, "read", lambda self, case: reads.append(case) or read(self, case))
    collected(tmp_path)
    assert reads == ["x", "y"]


def test_tables_are_over_the_cases_asked_for_that_are_done(tmp_path: Path):
    for name in ("c", "a", "old"):
        store(tmp_path, name)
    assert collected(tmp_path, ["c", "a", "missing"], pictures=False).done == ("c", "a")
    local = pd.read_parquet(tmp_path / "tables" / "roi_importance.parquet")
    assert list(pd.unique(local["case"])) == ["a", "c"]
    overall = pd.read_parquet(tmp_path / "tables" / "global_importance.parquet")
    assert set(overall["kind"]) == {kind.value for kind in Kind}
    assert set(overall[overall["kind"] == "importance"]["count"]) == {2}
    assert not (tmp_path / "figures").exists()


def test_a_damaged_result_is_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for name in "xy":
        store(tmp_path, name)
    CaseStore(tmp_path).path("x").write_bytes(b"no result")
    found = collected(tmp_path, pictures=False)
    assert found.done == ("y",)
    assert list(found.damaged) == ["x"]
    assert "case x is left out of the tables" in caplog.text


def test_without_any_case_nothing_is_written(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert collected(tmp_path, ["a"]).done == ()
    assert "no case was finished" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_cases_made_with_other_settings_are_refused(tmp_path: Path):
    store(tmp_path, "a", by_distance=True)
    store(tmp_path, "b")
    message = r"a and b were computed with different settings \(by_distance: then True, now False\)"
    with pytest.raises(ValueError, match=message):
        collected(tmp_path)
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize("key", ["draws", "top"])
def test_numbers_are_checked(tmp_path: Path, key: str):
    with pytest.raises(SettingError, match=rf"collect\.{key}: expected a whole number of at least 1, got 0"):
        collected(tmp_path, **{key: 0})
