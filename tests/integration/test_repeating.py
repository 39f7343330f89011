"""The same command gives the same tables, byte for byte, but for those that hold times."""

from __future__ import annotations

from pathlib import Path

import pytest

from agg2exp.store.tables import EFFICIENCY, HOLDING_TIMES, METRIC_SUMMARY
from tests.helpers.runs import CASES, Tiny, run

CHOSEN = ["attribution=kernel_shap", "supervoxels=semantic", "coalitions=12", "classes=[heart,aorta]",
          "callbacks=tables", "metric=[complexity,efficiency,insertion_deletion,sensitivity]",
          "metric.insertion_deletion.supervoxels.n_components=4", "metric.sensitivity.n_samples=1",
          "module.cache=null", "logger=none"]  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted((folder / "tables").glob("*.parquet"))}


def test_tables_repeat_but_for_those_with_times(tiny: Tiny, tmp_path: Path):
    forwards, backwards = (tiny.explain(*CHOSEN, f"data.cases=[{','.join(cases)}]") for cases in (CASES, CASES[::-1]))
    assert run("explain", forwards, tmp_path / "a").code == 0
    assert run("explain", backwards, tmp_path / "b").code == 0
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert first.keys() == second.keys() >= {"roi_importance", "metrics", "curves", "supervoxels", *HOLDING_TIMES}
    assert {name for name in first if first[name] != second[name]} <= {*HOLDING_TIMES}
    assert first[EFFICIENCY] != second[EFFICIENCY]  # so that it is named for a reason


@pytest.mark.parametrize("metrics", ["none", "complexity"])
def test_without_efficiency_the_summary_repeats_too(tiny: Tiny, tmp_path: Path, metrics: str):
    own = ["attribution=vanilla_gradient", "classes=[heart]", "callbacks=tables", "logger=none", f"metric={metrics}"]
    runs = [run("explain", tiny.explain(*own, "data.limit=1"), tmp_path / name) for name in "ab"]
    first, second = (contents(finished.output) for finished in runs)
    assert (METRIC_SUMMARY in first) == (metrics != "none")
    assert {name for name in first if first[name] != second[name]} <= {"timings"}
