"""What may make runs incomparable is said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agg2exp.callbacks.metric_summary import MetricSummary
from agg2exp.callbacks.roi_importance import RoIImportanceWriter
from agg2exp.metrics import Complexity
from agg2exp.report.runs import Run, caveats, read_metrics
from tests.helpers.explanations import explained, scheme, small_case, small_explanation


def written(folder: Path, method: str, cases: str = "ab", nan: int = 0, **settings: str) -> Run:
    """A run with one metric of four classes, the first `nan` of them not defined."""
    writer = RoIImportanceWriter(folder, by_distance=False)
    values = torch.tensor([np.nan] * nan + [0.5] * (4 - nan), dtype=torch.float64)
    for name in cases:
        case = small_case(name)
        explanation = small_explanation(case)
        own = {**explanation.settings, "method": method, "attribution: n": method, "expansion": method, **settings}
        writer.write_case(scheme(), case, replace(explanation, metrics={"complexity": values}, settings=own))
    writer.finish([], explained(complexity=Complexity()), list(cases))
    MetricSummary(folder).finish([], explained(complexity=Complexity()), list(cases))
    return Run(folder, "phantom", method)


def said(*runs: Run) -> list[str]:
    return caveats(runs, read_metrics(runs)[0])


def test_methods_may_differ_in_their_own_settings(tmp_path: Path):
    assert said(written(tmp_path / "x", "x"), written(tmp_path / "y", "y")) == []


def test_other_settings_other_cases_and_undefined_values_are_named(tmp_path: Path):
    x = written(tmp_path / "x", "x", nan=1)
    y = written(tmp_path / "y", "y", cases="abc", score="mean", **{"metric complexity: threshold": "0.2"})
    assert said(x, y) == [
        "phantom: the runs differ in more than the method: score, metric complexity: threshold.",
        "phantom: x has 8 of the 12 (case, class) of the others.",
        "phantom: x is not defined for 2 of 8 (case, class): complexity.",
    ]
    assert said(x, replace(y, data="other")) == ["phantom: x is not defined for 2 of 8 (case, class): complexity."]


def test_a_run_that_did_not_end_is_named(tmp_path: Path):
    run = written(tmp_path / "x", "x")
    (run.folder / "tables" / "metric_summary.parquet").unlink()
    with pytest.raises(ValueError, match=r"x has metrics, but no tables/metric_summary\.parquet: .*resume="):
        read_metrics([run])
