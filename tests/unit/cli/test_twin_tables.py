import numpy as np
import pandas as pd
import pytest

from agg2exp.cli.twin_tables import read_twins
from agg2exp.domain.errors import DataError
from agg2exp.report.findings import findings
from agg2exp.report.relations import graph_beyond_distance
from agg2exp.report.settings import AnalysisSettings
from agg2exp.report.study import Study
from agg2exp.store.tables import ROI_IMPORTANCE, TWINS, read_tables, write_tables
from tests.helpers.stored_runs import read_runs, stored_run


def with_twins(folder, n_twins=4, seed=0, like_the_model=False, **settings):
    """A stored run with twins that have no edge beyond distance, or those of the model."""
    run, g = stored_run(folder, **settings), np.random.default_rng(seed)
    local = read_tables(run / "tables", [ROI_IMPORTANCE])[ROI_IMPORTANCE]
    twins = []
    for twin in range(1, n_twins + 1):
        rows = local[["case", "target", "source", "importance", "expected_by_distance"]].copy()
        if not like_the_model:
            rows["importance"] = rows["expected_by_distance"] + g.normal(0, 1e-3, len(rows))
        rows.insert(1, "twin", twin)
        twins.append(rows)
    write_tables(run / "tables", {TWINS: pd.concat(twins)})
    return run


def analysed(data):
    (_, table), *_ = graph_beyond_distance(Study(data, data, AnalysisSettings(draws=100)))
    (finding,) = findings({"graph_beyond_distance": table}, 0.05)
    return table, finding


def test_an_edge_that_twins_lack_is_learned_and_the_heading_says_so(tmp_path):
    (data,) = read_runs(run=with_twins(tmp_path / "run"))
    table, finding = analysed(data)
    assert finding.title.startswith("Learned edges, beyond distance and beyond twins")
    assert list(zip(finding.rows["source"], finding.rows["target"], strict=True)) == [("heart", "aorta")]
    assert table["p_learned"].notna().any()


def test_an_edge_that_twins_have_too_is_not(tmp_path):
    (data,) = read_runs(run=with_twins(tmp_path / "run", like_the_model=True))
    table, finding = analysed(data)
    assert (table["p_adjusted"] <= 0.05).any() and finding.rows.empty


def test_without_twins_the_heading_says_what_is_not_excluded(tmp_path):
    (data,) = read_runs(run=stored_run(tmp_path / "run"))
    table, finding = analysed(data)
    assert data.twins is None and "p_learned" not in table
    assert finding.title.startswith("Edges beyond distance alone (untrained networks have such edges too")
    assert (finding.rows["source"].iloc[0], finding.rows["target"].iloc[0]) == ("heart", "aorta")


def test_runs_of_one_data_set_share_their_twins_if_all_have_the_same(tmp_path, caplog):
    runs = [with_twins(tmp_path / "a", 5), with_twins(tmp_path / "b", 3, first=24)]
    configs = [{"seed": 0}, {"seed": 0}]
    assert sorted(read_twins(runs, configs)["twin"].unique()) == [1, 2, 3]
    assert read_twins(runs, [{"seed": 0}, {"seed": 1}]) is None and "seed" in caplog.text
    assert read_twins([*runs, stored_run(tmp_path / "c", first=48)], [{}] * 3) is None
    assert read_twins([stored_run(tmp_path / "d")], [{}]) is None


def test_a_table_of_twins_without_a_column_is_refused(tmp_path):
    run = with_twins(tmp_path / "run")
    write_tables(run / "tables", {TWINS: pd.DataFrame({"case": ["a"]})})
    with pytest.raises(DataError, match=r"twins\.parquet: expected the columns"):
        read_twins([run], [{}])
