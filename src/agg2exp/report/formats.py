"""A benchmark as text: terminal, Markdown, LaTeX."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
from rich.table import Table
from rich.text import Text

from agg2exp.domain import text as escape
from agg2exp.domain.text import visible

ARROWS = {True: " ↑", False: " ↓", None: ""}
LATEX_ARROWS = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}

AS_WRITTEN = ("case", "data set", "data", "model", "first", "second", "column")  # columns of names that users gave
BEST = "\N{COMBINING LOW LINE}"  # ends the best of a terminal's row

Cells = tuple[list[str], list[list[str]]]


def number(value: float) -> str:
    """Three significant digits, without an exponent where it reads as well."""
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def cells(
    table: pd.DataFrame,
    mark: Callable[[str], str],
    arrows: dict[bool | None, str],
    facts: dict[str, bool | None],
    escaped: Callable[[str], str] = visible,
) -> Cells:
    """Header and rows: one row per data set and method, one column per metric; the best is marked, names escaped."""
    names = list(pd.unique(table["name"]))
    header = ["data", "method", *(escaped(name) + arrows[facts.get(name)] for name in names)]
    rows = []
    for (data, method), part in table.groupby(["data", "method"], sort=False):
        by_name = part.set_index("name")
        row = [escaped(str(data)), escaped(str(method))]
        for name in names:
            if name not in by_name.index:
                row.append("–")
                continue
            entry = by_name.loc[name]
            text = f"{number(entry['mean'])} ± {number(entry['std'])}"
            row.append(mark(text) if entry["best"] else text)
        rows.append(row)
    return header, rows


def terminal(table: pd.DataFrame, facts: dict[str, bool | None], title: str) -> Table:
    """For a terminal, a column per method; the best is underlined."""
    header, rows = cells(table, lambda text: text + BEST, ARROWS, facts)
    return _methods_side_by_side(header, rows, title)


def terminal_ranks(table: pd.DataFrame) -> Table:
    """What `ranks` returns, for a terminal, a column per method."""
    return _methods_side_by_side(*as_text(table), "Rank among the methods (1 is best)")


def _methods_side_by_side(header: list[str], rows: list[list[str]], title: str) -> Table:
    """Rows of (data, method, value per metric) as rows of (data, metric, value per method).

    One data set stands in the title instead, since a terminal is narrow.
    """
    methods = list(dict.fromkeys(method for _, method, *_ in rows))
    turned = []
    for data in dict.fromkeys(data for data, *_ in rows):
        of_method = {method: values for there, method, *values in rows if there == data}
        for place, metric in enumerate(header[2:]):
            turned.append([data, metric, *(of_method[m][place] if m in of_method else "–" for m in methods)])
    columns = ["data", "metric", *methods]
    if len({row[0] for row in turned}) == 1:
        columns, title, turned = columns[1:], f"{title}: {turned[0][0]}", [row[1:] for row in turned]
    return terminal_table(columns, turned, title)


def terminal_table(header: list[str], rows: list[list[str]], title: str) -> Table:
    """Rows under a header, all as it is and no markup; our own names are words, which a line may break between."""
    shown_table = Table(title=Text(visible(title)))
    for name in header:
        shown_table.add_column(_worded(name), overflow="fold")
    for row in rows:
        shown_table.add_row(*(Text(visible(text)) if name in AS_WRITTEN else _worded(text)
                       for name, text in zip(header, row, strict=True)))  # fmt: skip
    return shown_table


def _worded(text: str) -> Text:
    """A cell; what a user chose (`n_samples=5`) stays as written, the best is underlined."""
    shown = visible(text).removesuffix(BEST)
    words = shown if "=" in shown else shown.replace("_", " ")
    return Text(words, style="underline" if text.endswith(BEST) else "")


def as_text(table: pd.DataFrame) -> Cells:
    """Header and rows of any table, numbers with three significant digits."""
    rows = [[number(value) if isinstance(value, float) else str(value) for value in row]
            for row in table.itertuples(index=False)]  # fmt: skip
    return [str(name) for name in table], rows


def markdown(table: pd.DataFrame, facts: dict[str, bool | None]) -> str:
    """A Markdown table; the best is underlined."""
    return _piped(*cells(table, lambda text: f"<u>{text}</u>", ARROWS, facts, escape.markdown)) + "\n"


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Rows of text under a header, all as it is and no markup."""
    escaped = [[escape.markdown(text.replace("\n", " ")) for text in row] for row in (header, *rows)]
    return _piped(escaped[0], escaped[1:])


def _piped(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def latex(table: pd.DataFrame, facts: dict[str, bool | None]) -> str:
    """A LaTeX tabular; the best is underlined."""
    underlined = r"\underline{{{}}}".format
    header, rows = cells(table, underlined, LATEX_ARROWS, facts, escape.latex)
    lines = [" & ".join(line).replace("±", r"$\pm$").replace("–", "--") + r" \\" for line in (header, *rows)]
    columns = "ll" + "r" * (len(header) - 2)
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\hline", lines[0], r"\hline", *lines[1:], r"\hline",
                      r"\end{tabular}"]) + "\n"  # fmt: skip
