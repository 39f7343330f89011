"""The writer stores a result of each case, and merges what is there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.domain.roi_importance import Kind
from agg2exp.explaining.case_result import case_result
from agg2exp.run.roi_importance import RoIImportanceWriter
from agg2exp.store.case_store import CaseStore
from tests.helpers.explanations import SHAPE, explained, scheme, small_case, small_explanation

OWN = "importance: class"


@pytest.mark.parametrize("regions", ["prediction", "label"])
def test_a_case_is_stored_as_its_result_with_the_writers_settings(tmp_path: Path, regions: str):
    label_map = torch.randint(4, SHAPE, generator=torch.Generator().manual_seed(5)).to(torch.int16)
    case = small_case(labels=label_map, annotated=(True, True, False, True))
    explanation = small_explanation(case)
    writer = RoIImportanceWriter(tmp_path, regions, by_distance=regions == "label")
    writer.write_case(scheme(), case, explanation)
    stored = CaseStore(tmp_path).read(case.id)
    expected = case_result(case, explanation, Labels(scheme().classes), regions, regions == "label")
    for kind in Kind:
        np.testing.assert_array_equal(stored.importance.values[kind], expected.importance.values[kind])
    assert stored.settings == {**expected.settings, OWN: "agg2exp.run.roi_importance.RoIImportanceWriter"}
    assert writer.settings().items() <= stored.settings.items()


def test_other_regions_are_refused(tmp_path: Path):
    with pytest.raises(SettingError, match="regions: expected one of 'prediction', 'label', got 'both'"):
        RoIImportanceWriter(tmp_path, regions="both")


def test_merge_takes_the_expected_cases_that_are_done(tmp_path: Path):
    writer = RoIImportanceWriter(tmp_path, by_distance=False)
    for name in ("c", "a", "old"):
        case = small_case(name, seed=ord(name[0]))
        writer.write_case(scheme(), case, small_explanation(case))
    writer.finish([], explained(), ["c", "a", "missing"])
    local = pd.read_parquet(tmp_path / "tables" / "roi_importance.parquet")
    assert list(pd.unique(local["case"])) == ["a", "c"]
    overall = pd.read_parquet(tmp_path / "tables" / "global_importance.parquet")
    assert set(overall["kind"]) == {kind.value for kind in Kind}
    assert set(overall[overall["kind"] == "importance"]["count"]) == {2}


def test_merge_without_any_case_writes_no_table(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    RoIImportanceWriter(tmp_path).finish([], explained(), ["a"])
    assert "no case was finished" in caplog.text
    assert not (tmp_path / "tables").exists()


def test_merge_refuses_cases_made_with_other_settings(tmp_path: Path):
    for name, by_distance in (("a", True), ("b", False)):
        case = small_case(name)
        RoIImportanceWriter(tmp_path, by_distance=by_distance).write_case(scheme(), case, small_explanation(case))
    with pytest.raises(ValueError, match=r"cases a and b were computed with different settings \(by_distance\)"):
        RoIImportanceWriter(tmp_path).finish([], explained(), ["a", "b"])
