"""Box plots of RoI importance over cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agg2exp.analysis.context import WHISKER_REACH
from agg2exp.domain.errors import check_choice
from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.boxes import (
    BOX_PARTS,
    draw_boxes,
    draw_dots,
    set_rows,
    set_share_axis,
    write_count,
    write_no_value,
)

ROW_HEIGHT = 0.27  # inches
HOW_TO_READ = (
    "box: quartiles and median; "
    f"whiskers: to the last case within {WHISKER_REACH} interquartile ranges; dots: cases beyond"
)


def distributions(boxes: pd.DataFrame, dots: pd.DataFrame, target: str, anatomy: Anatomy) -> Figure:
    """Box plot over cases of the importance E_x[a, b] of each source b for one target a (Fig. 3, 13).

    Sources come by falling median, those without a value last; colour tells the anatomical group.

    Args:
        boxes: Result of `box_summary` for importances of kind `importance`.
        dots: Result of `box_outliers` for the same.
        target: The class a.
        anatomy: Groups and colours.

    Raises:
        SettingError: The target is not in the table.
    """
    rows = rows_of(boxes, target)
    named = style.name_length(rows["source"])
    figure = style.new_figure(
        8.2 + named, 1.75 + ROW_HEIGHT * len(rows), f"Importance of each region for {style.readable(target)}"
    )
    axes = figure.add_subplot()
    draw_distributions(axes, rows, dots, target, anatomy)
    axes.set_title(f"{HOW_TO_READ}\n{counts_of(rows)}", fontsize=style.SMALL, color=style.QUIET)
    style.key(figure, style.group_legend(rows["source"], anatomy), "group of the source")
    return figure


def rows_of(boxes: pd.DataFrame, target: str) -> pd.DataFrame:
    """The rows of one target in the order in which they are drawn: by falling median, no value last.

    Raises:
        SettingError: The target is not in the table.
    """
    check_choice("target", target, list(pd.unique(boxes["target"])))
    return boxes[boxes["target"] == target].sort_values("median", ascending=False, kind="stable", ignore_index=True)


def counted(n: int) -> str:
    """As in "n = 32 cases"."""
    return f"n = {n} case{'s' * (n != 1)}"


def counts_of(rows: pd.DataFrame) -> str:
    """How many cases are behind the boxes that are drawn."""
    counts = rows.loc[rows["count"] > 0, "count"]
    most = counted(int(rows["count"].max()))
    return f"{most} unless given at the right" if (counts < counts.max()).any() else most


def draw_distributions(
    axes: Axes, rows: pd.DataFrame, dots: pd.DataFrame, target: str, anatomy: Anatomy, *, names: bool = True
) -> None:
    """Draw the box plot of one target.

    Args:
        axes: Where.
        rows: Result of `rows_of`.
        dots: Result of `box_outliers`.
        target: The target.
        anatomy: Groups and colours.
        names: Write the names of the sources.
    """
    set_rows(axes, list(rows["source"]) if names else [""] * len(rows), target)
    set_share_axis(axes)
    axes.set_xlabel("importance: share of |attribution| (square-root scale)", fontsize=style.TEXT)
    place = {source: row for row, source in enumerate(rows["source"])}
    of_target = dots[dots["target"] == target]
    y = of_target["source"].map(place).to_numpy(dtype=np.float64)
    draw_dots(axes, of_target["value"].to_numpy(), y, [anatomy.colour(source) for source in of_target["source"]])
    known = rows.index[rows["count"] > 0]
    parts = rows.loc[known, list(BOX_PARTS)].to_numpy()
    stats = [dict(zip(BOX_PARTS.values(), of_box, strict=True)) for of_box in parts]
    draw_boxes(axes, stats, known, [anatomy.colour(source) for source in rows.loc[known, "source"]])
    for row in rows.index[rows["count"] == 0]:
        write_no_value(axes, row)
    for row in rows.index[(rows["count"] != rows["count"].max()) & (rows["count"] > 0)]:
        write_count(axes, row, int(rows.loc[row, "count"]))
