"""A benchmark in each format, of methods with names that would be commands."""

import io

import networkx as nx
import pandas as pd
import pytest
from rich.console import Console

from agg2exp.report.formats import latex, markdown, markdown_table, terminal, terminal_table
from agg2exp.report.outputs import write

HOSTILE = "[red]a[/] \\input{x} $b$ <i> | \x1b[31m"


def benchmark(method: str, data: str = "data", name: str = "Faith_fulness") -> pd.DataFrame:
    return pd.DataFrame(
        {"data": [data], "method": [method], "name": [name], "mean": [0.5], "std": [0.1], "best": [True]}
    )


def shown(table) -> str:
    console = Console(file=io.StringIO(), width=300, force_terminal=True, color_system=None)
    console.print(table)
    return console.file.getvalue()


def test_ordinary_names_stay_as_they_are():
    table, facts = benchmark("kernel_shap n_samples=5"), {"Faith_fulness": True}
    assert markdown(table, facts) == (
        "| data | method | Faith_fulness ↑ |\n| --- | --- | --- |\n"
        "| data | kernel_shap n_samples=5 | <u>0.5 ± 0.1</u> |\n"
    )
    assert r"data & kernel\_shap n\_samples=5 & \underline{0.5 $\pm$ 0.1} \\" in latex(table, facts)
    assert r"data & method & Faith\_fulness $\uparrow$ \\" in latex(table, facts)


def test_names_are_no_commands_in_any_format():
    table, facts = benchmark(HOSTILE, data=HOSTILE, name=HOSTILE), {HOSTILE: None}
    as_markdown, as_latex = markdown(table, facts), latex(table, facts)
    assert "\x1b" not in as_markdown + as_latex and "<i>" not in as_markdown
    assert all(line.count("|") - line.count(r"\|") == 4 for line in as_markdown.splitlines())
    assert r"\input" not in as_latex and "$b$" not in as_latex
    assert as_latex.count(r"\textbackslash{}input\{x\} \$b\$") == 3
    assert "[red]a[/]" in shown(terminal(table, facts, "t")) and "\x1b[31m" not in shown(terminal(table, facts, "t"))


@pytest.mark.parametrize("column", ["case", "method"])
def test_a_terminal_shows_names_as_they_are(column: str):
    said = shown(terminal_table([column], [[HOSTILE]], HOSTILE))
    assert said.count("[red]a[/]") == 2 and "\x1b[31m" not in said and said.count("\\x1b[31m") == 2


def test_a_header_is_escaped_as_its_cells_are():
    assert markdown_table(["a|b"], [["c|d"]]) == "| a\\|b |\n| --- |\n| c\\|d |"


def test_a_graph_with_any_names_is_readable_xml(tmp_path):
    graph = nx.DiGraph([("a\x00<b>&", "c")])
    read = nx.read_graphml(write(tmp_path, ("graph", graph)))
    assert [*read] == ["a\\x00<b>&", "c"]
