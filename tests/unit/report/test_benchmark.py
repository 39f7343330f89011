"""The benchmark table: numbers by hand, ranks, and text that shows the best."""

import io
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from agg2exp.report.benchmark import benchmark, ranks
from agg2exp.report.benchmark_study import BenchmarkStudy
from agg2exp.report.formats import latex, markdown, number, terminal, terminal_ranks, terminal_table
from agg2exp.report.metric_tables import NoMetricsError, read_metrics
from agg2exp.report.runs import Run
from agg2exp.store.tables import write_tables

HIGHER = {"faithfulness": True, "complexity": False, "sensitivity_dice": None}


def values() -> pd.DataFrame:
    rows = []
    for method, faithful, complex_ in (("a_b", [0.1, 0.3], [0.5, 0.7]), ("c", [0.4, math.nan], [0.5, 0.7])):
        for case, (f, c) in enumerate(zip(faithful, complex_, strict=True)):
            for name, value in (("faithfulness", f), ("complexity", c), ("sensitivity_dice", 0.9)):
                rows.append(("phantom", method, f"s{case}", "heart", name, value))
    return pd.DataFrame(rows, columns=["data", "method", "case", "target", "name", "value"])


def test_mean_spread_and_what_is_not_defined():
    table = benchmark(values(), HIGHER).set_index(["method", "name"])
    row = table.loc[("a_b", "faithfulness")]
    assert row["mean"] == pytest.approx(0.2)
    assert row["std"] == pytest.approx(math.sqrt(2 * 0.1**2))
    assert (row["count"], row["undefined"]) == (2, 0)
    row = table.loc[("c", "faithfulness")]
    assert (row["mean"], row["count"], row["undefined"]) == (0.4, 1, 1)


def test_best_follows_the_direction_and_ties_share_their_rank():
    table = benchmark(values(), HIGHER).set_index(["method", "name"])
    assert list(table["best"].xs("faithfulness", level="name")) == [False, True]
    assert list(table["rank"].xs("faithfulness", level="name")) == [2, 1]
    assert list(table["rank"].xs("complexity", level="name")) == [1.5, 1.5]
    assert list(table["best"].xs("complexity", level="name")) == [True, True]
    assert table["rank"].xs("sensitivity_dice", level="name").isna().all()
    assert not table["best"].xs("sensitivity_dice", level="name").any()


def test_who_is_alone_is_not_ranked():
    alone = pd.DataFrame([("phantom", "a_b", "s0", "heart", "completeness", 0.1)], columns=list(values()))
    table = benchmark(pd.concat([values(), alone]), {**HIGHER, "completeness": False})
    row = table[table["name"] == "completeness"].iloc[0]
    assert math.isnan(row["rank"]) and not row["best"]
    only = benchmark(values()[values()["method"] == "c"], HIGHER)
    assert not only["best"].any() and ranks(only, {name: name for name in HIGHER}).empty


def test_mean_rank_is_over_what_all_methods_have():
    """d has no complexity, so that its rank there counts for nobody: c is before a_b in all that is left."""
    d = [("phantom", "d", "s0", "heart", "faithfulness", 0.9), ("phantom", "d", "s0", "heart", "complexity", math.nan)]
    more = pd.concat([values(), pd.DataFrame(d, columns=list(values()))], ignore_index=True)
    more.loc[(more["method"] == "c") & (more["name"] == "complexity"), "value"] += 0.1
    wide = ranks(benchmark(more, HIGHER), {name: name for name in HIGHER}).set_index("method")
    assert wide.loc[["a_b", "c"], "complexity"].tolist() == [1, 2] and math.isnan(wide.loc["d", "complexity"])
    assert wide["mean rank"].to_dict() == {"a_b": 3, "c": 2, "d": 1}


def test_a_number_of_a_case_counts_once_for_all_its_classes():
    rows = [("phantom", "c", case, target, name, value) for case, value in (("s0", 1.0), ("s1", 3.0))
            for target in ("heart", "aorta") for name in ("efficiency", "complexity")]  # fmt: skip
    both = pd.DataFrame(rows, columns=list(values()))
    directions = {"efficiency": False, "complexity": False}
    table = benchmark(both, directions, of_case=["efficiency"]).set_index("name")
    assert table.loc["efficiency", ["mean", "std", "count"]].tolist() == pytest.approx([2, math.sqrt(2), 2])
    assert table.loc["complexity", ["mean", "std", "count"]].tolist() == pytest.approx([2, math.sqrt(4 / 3), 4])
    by_class = benchmark(both, directions, ("data", "method", "target", "name"), ["efficiency"])
    assert set(by_class["count"]) == {2}


def test_ranks_over_metrics():
    wide = ranks(benchmark(values(), HIGHER), {name: name for name in HIGHER}).set_index("method")
    assert list(wide.columns) == ["data", "faithfulness", "complexity", "mean rank"]
    assert wide.loc["a_b", "mean rank"] == 1.75


def test_a_metric_with_several_occluders_has_one_voice():
    other = values()[values()["name"] == "faithfulness"].assign(name="faithfulness_mean", value=lambda t: -t["value"])
    table = benchmark(pd.concat([values(), other]), {**HIGHER, "faithfulness_mean": True})
    metric_of = {name: name.removesuffix("_mean") for name in table["name"]}
    wide = ranks(table, metric_of).set_index("method")
    assert wide.loc["a_b", ["faithfulness", "faithfulness_mean", "complexity"]].tolist() == [2, 1, 1.5]
    assert wide.loc["a_b", "mean rank"] == (1.5 + 1.5) / 2


def test_a_row_per_class_when_asked():
    more = pd.concat([values(), values().assign(target="aorta", value=1.0)])
    by_class = benchmark(more, HIGHER, ("data", "method", "target", "name"))
    assert set(by_class["target"]) == {"heart", "aorta"}
    assert (by_class[by_class["target"] == "aorta"]["mean"] == 1).all()


def test_text_underlines_the_best_and_escapes_names():
    table = benchmark(values(), HIGHER)
    text = markdown(table, HIGHER)
    assert text.splitlines()[0] == "| data | method | faithfulness ↑ | complexity ↓ | sensitivity_dice |"
    assert text.splitlines()[3] == "| phantom | c | <u>0.4 ± –</u> | <u>0.6 ± 0.141</u> | 0.9 ± 0 |"
    tex = latex(table, HIGHER)
    assert r"a\_b & 0.2 $\pm$ 0.141 & \underline{0.6 $\pm$ 0.141}" in tex
    assert r"faithfulness $\uparrow$ & complexity $\downarrow$ & sensitivity\_dice \\" in tex
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal(table, HIGHER, "Table 1"))
    console.print(terminal_ranks(ranks(table, {name: name for name in HIGHER})))
    said = console.export_text()
    lines = [[cell.strip() for cell in line.strip("│┃").split(line[0])] for line in said.splitlines()
             if line[:1] in {"│", "┃"}]  # fmt: skip
    assert lines == [
        ["metric", "a b", "c"],
        ["faithfulness ↑", "0.2 ± 0.141", "0.4 ± –"],
        ["complexity ↓", "0.6 ± 0.141", "0.6 ± 0.141"],
        ["sensitivity dice", "0.9 ± 0", "0.9 ± 0"],
        ["metric", "a b", "c"],
        ["faithfulness", "2", "1"],
        ["complexity", "1.5", "1.5"],
        ["mean rank", "1.75", "1.25"],
    ]
    assert "Table 1: phantom" in said


def test_names_that_users_gave_stay_as_they_are():
    named = values().replace({"a_b": "smooth n_samples=5", "c": "smooth [n_steps=7]", "phantom": "p data.root=[/x_y]"})
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(terminal_table(["case", "mean_first", "source"], [["case_01", "0.1", "lung_left"]], "A table"))
    console.print(terminal(benchmark(named, HIGHER), HIGHER, "Table 1"))
    said = console.export_text()
    for text in (
        "case_01",
        "mean first",
        "lung left",
        "smooth n_samples=5",
        "smooth [n_steps=7]",
        "p data.root=[/x_y]",
    ):
        assert text in said, text


def test_the_best_is_underlined_in_a_terminal():
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(terminal(benchmark(values(), HIGHER), HIGHER, "Table 1"))
    best = re.findall(r"text-decoration: underline[^>]*>([^<]+)", console.export_html(inline_styles=True))
    assert [text.strip() for text in best] == ["0.4 ± –", "0.6 ± 0.141", "0.6 ± 0.141"]


def test_a_method_without_a_data_set_has_no_value_there():
    more = pd.concat([values(), values()[values()["method"] == "c"].assign(data="other")])
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal(benchmark(more, HIGHER), HIGHER, "Table 1"))
    assert "│ other   │ complexity ↓     │ –           │ 0.6 ± 0.141 │" in console.export_text()


def test_numbers_are_short():
    assert [number(v) for v in (0.123456, 12345.6, 999.7, 1e-7, math.nan)] == ["0.123", "12346", "1000", "1e-07", "–"]


def written(folder: Path, method: str, higher: bool = True) -> Run:
    own = values()[values()["method"] == "c"].drop(columns=["data", "method"])
    facts = [("faithfulness", "faithfulness", "faithfulness", higher, "p")]
    summary = pd.DataFrame(facts, columns=["name", "metric", "category", "higher_is_better", "paper"])
    tables = {"metrics": own, "metric_summary": summary.assign(mean=0.0, std=0.0, count=1)}
    write_tables(folder / "tables", tables)
    return Run(folder, "phantom", method)


def test_runs_are_read_under_their_names_and_must_fit_together(tmp_path: Path):
    a, b = written(tmp_path / "a", "x"), written(tmp_path / "b", "y")
    everything, facts = read_metrics([a, b, Run(tmp_path, "phantom", "without metrics")])
    assert list(everything.columns) == ["data", "method", "case", "target", "name", "value"]
    assert set(everything["method"]) == {"x", "y"}
    study = BenchmarkStudy.of([a, b])
    assert study.higher_is_better == {"faithfulness": True} and study.of_case == set() and not len(study.curves)
    assert facts.equals(study.facts) and everything.equals(study.values)
    with pytest.raises(NoMetricsError, match="metric=paper"):
        read_metrics([Run(tmp_path, "phantom", "x")])
    with pytest.raises(ValueError, match="both have x on phantom"):
        read_metrics([a, Run(tmp_path / "b", "phantom", "x")])
    with pytest.raises(ValueError, match=r"different things by .+faithfulness"):
        read_metrics([a, written(tmp_path / "c", "z", higher=False)])
