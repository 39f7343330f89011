"""Curves of evaluation metrics, methods side by side."""

from __future__ import annotations

from itertools import product
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from agg2exp.domain.errors import DataError
from agg2exp.figures import style
from agg2exp.figures.palette import OKABE_ITO

Line = Literal["-", "--"]
LINES: tuple[Line, ...] = ("-", "--")  # dashed when the colours are used up
LOOKS = tuple(product(LINES, OKABE_ITO))


def curves_plot(table: pd.DataFrame, data: str) -> Figure:
    """How the score changes while supervoxels are occluded: a panel per curve, a line per method, quartiles shaded.

    Args:
        table: Result of `mean_curves` for one data set.
        data: Its name.

    Raises:
        DataError: There are more methods than can be told apart.
    """
    methods, names = (list(pd.unique(table[column])) for column in ("method", "name"))
    if len(methods) > len(LOOKS):
        raise DataError(
            f"methods: expected at most {len(LOOKS)} in one picture, got {len(methods)}. Report fewer together."
        )
    width = 3.6 * len(names) + 1.2 + style.name_length(methods)
    figure = style.new_figure(width, 4.2, f"Score while supervoxels are occluded: {style.readable(data)}")
    panels = np.atleast_1d(figure.subplots(1, len(names), sharey=True))
    for axes, name in zip(panels, names, strict=True):
        axes.set_title(style.readable(name), fontsize=style.TEXT, fontweight="bold", color=style.INK, loc="left")
        axes.set_xlabel("share of the voxels that are occluded", fontsize=style.TEXT)
        for method, (line, colour) in zip(methods, LOOKS, strict=False):
            _draw(axes, table[(table["name"] == name) & (table["method"] == method)], line, colour)
        axes.axhline(0, color=style.QUIET, linewidth=0.6, zorder=0)
        axes.set_xlim(0, 1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=style.SMALL)
    panels[0].set_ylabel("score, 0 for the baseline alone\n(mean and quartiles)", fontsize=style.TEXT)
    handles = [
        Line2D([], [], linestyle=line, color=colour, label=style.entry(f"{method} (n = {_count(table, method)})"))
        for method, (line, colour) in zip(methods, LOOKS, strict=False)
    ]
    style.key(figure, handles, "method (cases × classes)")
    return figure


def _draw(axes: Axes, curve: pd.DataFrame, line: Line, colour: str) -> None:
    axes.fill_between(curve["x"], curve["q1"], curve["q3"], color=colour, alpha=0.15, linewidth=0)
    axes.plot(curve["x"], curve["mean"], linestyle=line, color=colour, linewidth=1.6)


def _count(table: pd.DataFrame, method: str) -> int:
    return int(table.loc[table["method"] == method, "count"].max())
