"""What may make runs incomparable is said."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.domain.errors import DataError
from agg2exp.metrics import Complexity
from agg2exp.metrics.facts import facts_of
from agg2exp.report.metric_tables import read_metrics, undamaged
from agg2exp.report.runs import Run, caveats
from agg2exp.run.roi_importance import RoIImportanceWriter
from tests.helpers.explanations import collected, scheme, small_case, small_explanation


def written(folder: Path, method: str, cases: str = "ab", nan: int = 0, **settings: str) -> Run:
    """A run with one metric of four classes, the first `nan` of them not defined."""
    writer = RoIImportanceWriter(folder, by_distance=False)
    values = torch.tensor([np.nan] * nan + [0.5] * (4 - nan), dtype=torch.float64)
    for name in cases:
        case = small_case(name)
        explanation = small_explanation(case)
        own = {**explanation.settings, "method": method, "attribution: n": method, "expansion": method, **settings}
        found = {"metrics": {"complexity": values}, "metric_facts": {"complexity": facts_of(Complexity())}}
        writer.write_case(scheme(), case, replace(explanation, settings=own, **found))
    collected(folder, pictures=False)
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
    with pytest.raises(ValueError, match=r"x has metrics, but no tables/metric_summary\.parquet: .*collect runs="):
        read_metrics([run])


def change(run: Run, table: str, how: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = run.folder / "tables" / f"{table}.parquet"
    how(pd.read_parquet(path)).to_parquet(path, index=False)


@pytest.mark.parametrize(
    ("table", "how", "message"),
    [
        (
            "metrics",
            lambda t: t.assign(value=np.inf),
            "finite numbers in column 'value', got 'inf' for case 'a'",
        ),
        (
            "metrics",
            lambda t: t.assign(value=-1.0),
            "complexity from -0.0001 to inf, got -1 for case 'a', t",
        ),
        ("metrics", lambda t: t.assign(value="much"), "expected finite numbers in column 'value', got"),
        ("metrics", lambda t: pd.concat([t, t]), "expected every row once, got case 'a'"),
        ("metrics", lambda t: t.drop(columns="target"), r"got none of \['target'\]"),
        ("metric_summary", lambda t: pd.concat([t, t]), "expected every row once, got name 'complexity' twice"),
        ("metric_summary", lambda t: t.assign(higher_is_better="down"), "expected truths in column 'higher_is_better'"),
    ],
)
def test_a_damaged_run_is_named_and_left_out_and_the_others_go_on(
    tmp_path: Path, table: str, how: Callable[[pd.DataFrame], pd.DataFrame], message: str
):
    x, y = written(tmp_path / "x", "x"), written(tmp_path / "y", "y")
    change(y, table, how)
    good, (sentence,) = undamaged([x, y])
    assert good == [x]
    assert re.search(rf"^phantom: y is left out, .* damaged: .*{table}\.parquet: .*{message}", sentence)
    with pytest.raises(DataError, match=message):
        undamaged([y])


def test_settings_come_from_the_first_case_that_can_be_read(tmp_path: Path):
    x, y = written(tmp_path / "x", "x"), written(tmp_path / "y", "y", score="mean")
    (x.folder / "cases" / "a.safetensors").write_bytes(b"broken")
    assert said(x, y) == ["phantom: the runs differ in more than the method: score."]
