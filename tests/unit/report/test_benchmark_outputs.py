"""Files of a benchmark: all tables in their formats, a picture of curves per data set, and why one is missing."""

import pandas as pd
from matplotlib.figure import Figure

from agg2exp.figures.curves import LOOKS
from agg2exp.report.benchmark_outputs import benchmark_outputs
from agg2exp.report.benchmark_study import BenchmarkStudy
from agg2exp.report.outputs import write

FACTS = pd.DataFrame(
    [
        ("faithfulness", "faithfulness", "faithfulness", True, "p"),
        ("seconds", "efficiency", "efficiency", False, "p"),
        ("dice", "sensitivity", "robustness", None, "p"),
    ],
    columns=["name", "metric", "category", "higher_is_better", "paper"],
)
TABLES = ["benchmark", "benchmark.md", "benchmark.tex", "benchmark_per_class"]


def study(methods: int, curves: bool = True, remarks: tuple[str, ...] = ()) -> BenchmarkStudy:
    rows = [("d/e", f"m{m}", case, "heart", name, m + 0.5) for m in range(methods) for case in "ab"
            for name in FACTS["name"]]  # fmt: skip
    values = pd.DataFrame(rows, columns=["data", "method", "case", "target", "name", "value"])
    points = values[values["name"] == "dice"].assign(name="deletion", x=0.0, y=1.0).drop(columns="value")
    points = pd.concat([points, points.assign(x=1.0, y=0.0)]) if curves else pd.DataFrame()
    return BenchmarkStudy(values, FACTS, points, remarks)


def test_everything_has_its_file(tmp_path):
    outputs = list(benchmark_outputs(study(2)))
    assert [name for name, _ in outputs] == [*TABLES, "ranks", "ranks.md", "curves", "curves_d-e"]
    assert isinstance(outputs[-1][1], Figure)
    files = [write(tmp_path, output).name for output in outputs]
    assert files == ["benchmark.csv", "benchmark.md", "benchmark.tex", "benchmark_per_class.csv", "ranks.csv",
                     "ranks.md", "curves.csv", "curves_d-e.png"]  # fmt: skip
    assert len(pd.read_csv(tmp_path / "benchmark.csv")) == 2 * 3


def test_one_method_has_no_ranks_and_no_curves_no_picture():
    assert [name for name, _ in benchmark_outputs(study(1, curves=False))] == TABLES


def test_a_number_of_a_case_and_one_without_direction_are_known():
    of_two = study(2)
    assert of_two.of_case == {"seconds"}
    assert of_two.higher_is_better == {"faithfulness": True, "seconds": False, "dice": None}


def test_remarks_stand_below_the_table_with_the_reason_for_a_missing_picture():
    many = study(len(LOOKS) + 1, remarks=("d: x is left out.",))
    outputs = dict(benchmark_outputs(many))
    assert "curves" in outputs and "curves_d-e" not in outputs
    assert "- d: x is left out.\n" in outputs["benchmark.md"]
    assert f"- d/e: there is no picture of curves: methods: expected at most {len(LOOKS)}" in outputs["benchmark.md"]
    assert many.all_remarks[0] == "d: x is left out." and len(many.all_remarks) == 2
