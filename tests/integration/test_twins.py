"""Networks with random weights beside the trained one, from the command line to the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agg2exp.run.module import ExplanationModule
from tests.helpers.runs import CASES, Finished, Tiny, run

CHEAP = ["attribution=vanilla_gradient", "classes=[heart,aorta]", "callbacks=tables", "logger=none"]
TABLES = ("roi_importance", "twins", "global_importance")


@pytest.fixture(scope="module")
def explained(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    finished = run("explain", tiny.explain(*CHEAP, "twins=3"), tmp_path_factory.mktemp("twins"))
    assert finished.code == 0
    return finished


def tables(output: Path) -> list[bytes]:
    return [(output / "tables" / f"{name}.parquet").read_bytes() for name in TABLES]


def test_twins_have_importances_of_their_own(explained: Finished) -> None:
    table = pd.read_parquet(explained.output / "tables" / "twins.parquet")
    assert sorted(table["case"].unique()) == CASES and sorted(table["twin"].unique()) == [1, 2, 3]
    classes = set(pd.read_parquet(explained.output / "tables" / "segmentation.parquet")["class"])
    rows = table[table["source"].isin(classes)].groupby(["case", "twin", "target"])["importance"].sum()
    assert rows.to_numpy() == pytest.approx(np.ones(len(rows))) and len(rows) == len(CASES) * 3 * 2
    spread = table.groupby(["case", "target", "source"])["importance"].nunique()
    assert spread.max() == 3


def test_an_interrupted_run_ends_with_the_same_tables(tiny: Tiny, explained: Finished, tmp_path: Path) -> None:
    explain = ExplanationModule.explain
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ExplanationModule,
            "explain",
            lambda self, case, *fallback: 1 / 0 if case.id == CASES[1] else explain(self, case, *fallback),
        )
        assert run("explain", tiny.explain(*CHEAP, "twins=3"), tmp_path).code == 1
    assert run("explain", tiny.explain(*CHEAP, "twins=3"), tmp_path).code == 0
    assert tables(tmp_path) == tables(explained.output)


@pytest.mark.parametrize("other", ["twins=0", "twins=2"])
def test_another_number_of_twins_is_another_run(
    tiny: Tiny, explained: Finished, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tables(explained.output)
    assert run("explain", tiny.explain(*CHEAP, other), explained.output).code == 1
    assert "twins: then 3" in capsys.readouterr().err
    assert tables(explained.output) == before


def test_the_page_tells_of_twins(explained: Finished, tmp_path: Path) -> None:
    assert run("analyze", [f"runs={explained.output}"], tmp_path).code == 0
    [edges] = tmp_path.rglob("graph_beyond_distance.csv")
    table = pd.read_csv(edges)
    assert {"excess_twins", "p_learned", "excluded_twins"} <= set(table)
    assert table["p_learned"].isna().all()  # three patients are too few
    assert "twins with random weights" in (tmp_path / "analysis.md").read_text()
