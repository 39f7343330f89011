from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from agg2exp.domain.errors import DataError
from agg2exp.figures.curves import LOOKS, curves_plot

X = np.linspace(0, 1, 11)


def table_of(methods: list[str]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"method": m, "name": name, "x": X, "mean": 1 - X**power, "q1": -X, "q3": 1.0, "count": n})
        for n, m in enumerate(methods, start=3)
        for name, power in (("least_relevant_first", n), ("most_relevant_first", 1 / n))
    ]
    return pd.concat(parts, ignore_index=True)


def test_every_method_has_its_line_and_quartiles_in_every_panel():
    figure = curves_plot(table_of(["a", "b/cubes"]), "two_sets")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["least relevant first", "most relevant first"]
    for axes, sign in zip(figure.axes, (1, -1), strict=True):
        lines = [line for line in axes.get_lines() if len(line.get_xdata()) == len(X)]
        assert [to_hex(line.get_color()).upper() for line in lines] == [colour for _, colour in LOOKS[:2]]
        for n, line in enumerate(lines, start=3):
            assert line.get_ydata() == pytest.approx(1 - X ** (float(n) ** sign))
        assert len(axes.collections) == 2
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a (n = 3)", "b/cubes (n = 4)"]
    assert "two sets" in figure.get_suptitle()


def test_more_methods_than_can_be_told_apart_are_refused():
    curves_plot(table_of([f"m{i}" for i in range(len(LOOKS))]), "d")
    with pytest.raises(DataError, match="at most 14 in one picture"):
        curves_plot(table_of([f"m{i}" for i in range(len(LOOKS) + 1)]), "d")
