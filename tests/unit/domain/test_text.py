"""Text from users in every format."""

import csv
import io
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from rich.console import Console
from rich.text import Text

from agg2exp.domain.text import cell, latex, markdown, mathtext, visible

ORDINARY = [
    "lung_upper_lobe_left",
    "s0001",
    "n_samples=5",
    "–0.5",
    "-0.5",
    "0.12 ± 0.3",
    "a (b), c: d; e/f",
    "Müller 50%",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_not_changed_but_where_latex_needs_it(text: str):
    assert visible(text) == markdown(text) == mathtext(text) == cell(text) == text
    assert latex(text) == text.replace("_", r"\_").replace("%", r"\%")


@settings(deadline=None)
@given(st.text())
@example("\x1b]0;title\x07")
@example("a\u202eb")
@example("\x9b31m")
def test_nothing_commands_a_terminal(text: str):
    shown = visible(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=10_000)
    console.print(Text(shown), soft_wrap=True)
    assert console.file.getvalue() == shown + "\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[x](http://y.z)", r"\[x\](http&#58;//y.z)"),
        ("![x](y)", r"!\[x\](y)"),
        ("<script>&lt;", "&lt;script&gt;&amp;lt;"),
        ("*a* _b_ `c` ~~d~~ $e$", r"\*a\* \_b\_ \`c\` \~\~d\~\~ \$e\$"),
        ("a|b\\|c", r"a\|b\\\|c"),
        ("# a", r"\# a"),
        ("- a", r"\- a"),
        ("1. a", r"1\. a"),
        ("www.x.y", "www&#46;x.y"),
        ("a@b.c", "a&#64;b.c"),
        ("a_b_", r"a_b\_"),
        ("a\nb", r"a\\nb"),
    ],
)
def test_markdown_has_no_marks(text: str, expected: str):
    assert markdown(text) == expected


def test_latex_has_no_commands():
    assert latex(r"\input{x}$_^~#&%<>") == (
        r"\textbackslash{}input\{x\}\$\_\textasciicircum{}\textasciitilde{}\#\&\%\textless{}\textgreater{}"
    )


@pytest.mark.parametrize("text", ["$x^2$", r"\$a$b$", "$", "$$", "cost $5 or $6", r"a\b$c$", "$\\frac{", "x\x1b"])
def test_a_picture_shows_dollars(text: str):
    figure = Figure()
    drawn = figure.text(0, 0, mathtext(text))
    figure.canvas.draw()
    shown, is_formula = drawn._preprocess_math(drawn.get_text())
    assert shown == visible(text) and not is_formula


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "-", "=cmd|' /C calc'!A0"])
def test_a_spreadsheet_gets_no_formula(text: str):
    assert cell(text) == "'" + text


@settings(deadline=None)
@given(st.text())
def test_a_cell_begins_with_no_mark_of_a_formula_unless_it_is_a_number(text: str):
    shown = cell(text)
    if shown[:1] in tuple("=+-@\t\r"):
        float(shown.split(" ± ")[0])
    assert next(csv.reader(io.StringIO(f'"{shown.replace(chr(34), chr(34) * 2)}"', newline="")), [""]) == [shown]
