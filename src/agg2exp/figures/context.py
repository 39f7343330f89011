"""Self-importance and context of each class, data sets side by side."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from agg2exp.analysis.context import tukey_boxes
from agg2exp.domain.errors import DataError
from agg2exp.figures import style
from agg2exp.figures.boxes import (
    BOX_PARTS,
    draw_boxes,
    draw_dots,
    set_rows,
    set_share_axis,
    write_count,
    write_no_value,
)
from agg2exp.figures.distributions import HOW_TO_READ, counted
from agg2exp.figures.palette import OKABE_ITO

LOOKS = tuple(product((None, "//////"), OKABE_ITO))  # hatched when the colours are used up
BOX_INCHES, GAP_INCHES = 0.11, 0.13  # of a box, between classes


def context_plot(table: pd.DataFrame) -> Figure:
    """Box plot over cases of self-importance E_x[c, c] for each class c, one box per data set (Fig. 6).

    The axis at the top reads the same boxes as context, 1 − E_x[c, c]. The class with most context (median over the
    first data set) is at the top, classes that the first data set lacks at the bottom.

    Args:
        table: Result of `context`; the data sets are drawn in its order.

    Raises:
        DataError: There are more data sets than can be told apart.
    """
    data_sets, targets = list(pd.unique(table["data_set"])), order_of(table)
    if len(data_sets) > len(LOOKS):
        raise DataError(
            f"data sets: expected at most {len(LOOKS)} in one picture, got {len(data_sets)}. Analyse fewer together."
        )
    parts = {name: table[table["data_set"] == name] for name in data_sets}
    labels = [f"{name} ({counted(part['case'].nunique())})" for name, part in parts.items()]
    lanes = BOX_INCHES * max(len(data_sets), 2)  # inches; room for the name of the class
    width = 7.0 + style.name_length(targets) + style.name_length(labels)
    figure = style.new_figure(width, 2.6 + (lanes + GAP_INCHES) * len(targets), "How much each class relies on itself")
    axes = figure.add_subplot()
    _name_axes(axes, targets)
    lane = lanes / (lanes + GAP_INCHES) / len(data_sets)  # in rows
    legend = []
    for i, (part, label, (hatch, colour)) in enumerate(zip(parts.values(), labels, LOOKS, strict=False)):
        _draw_data_set(axes, part, targets, lane * (i - (len(data_sets) - 1) / 2), lane, colour, hatch)
        legend.append(
            Patch(facecolor=colour, edgecolor=style.INK, hatch=hatch, linewidth=0.6, label=style.entry(label))
        )
    style.key(figure, legend, "data set, from top to bottom")
    return figure


def order_of(table: pd.DataFrame) -> list[str]:
    """The classes by falling median context in the first data set; those it lacks last."""
    first = table[table["data_set"] == table["data_set"].iloc[0]]
    median = first.groupby("target", observed=True)["context"].median()
    ranked = median.reindex(pd.unique(table["target"])).sort_values(ascending=False, kind="stable")
    return [str(name) for name in ranked.index]


def _name_axes(axes: Axes, targets: list[str]) -> None:
    """Classes at the left, self-importance below, context above, lines between the classes."""
    set_rows(axes, targets)
    set_share_axis(axes)
    axes.set_xlabel("self-importance: share of |attribution| within the class (square-root scale)", fontsize=style.TEXT)
    top = axes.twiny()
    set_share_axis(top, rest=True)
    top.set_xlabel("context: share outside the class", fontsize=style.TEXT)
    top.spines[["right"]].set_visible(False)
    top.set_title(HOW_TO_READ, fontsize=style.SMALL, color=style.QUIET, pad=10)
    for row in range(1, len(targets)):
        axes.axhline(row - 0.5, color=style.FAINT, linewidth=0.8, zorder=0)


def _draw_data_set(
    axes: Axes,
    table: pd.DataFrame,
    targets: list[str],
    offset: float,
    lane: float,
    colour: str,
    hatch: str | None,
) -> None:
    """The boxes and dots of one data set, `offset` rows below the middle of each class."""
    values = table.pivot(index="case", columns="target", values="self_importance")  # noqa: PD010  # nothing to aggregate
    shares = values.reindex(columns=targets).to_numpy(dtype=np.float64)
    boxes, beyond = tukey_boxes(shares)
    rows = np.arange(len(targets), dtype=np.float64) + offset
    known = (~np.isnan(shares)).sum(axis=0)
    for at, count in zip(rows, known.tolist(), strict=True):
        if not count:
            write_no_value(axes, at)
        elif count < len(shares):
            write_count(axes, at, count)
    row, case = np.nonzero(beyond.T)
    draw_dots(axes, shares[case, row], rows[row], [colour] * len(row))
    drawn = np.flatnonzero(known)
    stats = [{BOX_PARTS[part]: ends[k] for part, ends in boxes.items()} for k in drawn]
    draw_boxes(axes, stats, rows[drawn], [colour] * len(drawn), height=0.8 * lane, hatch=hatch)
