"""Four panels: one patient, all patients, and a few classes as heat map and as graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agg2exp.analysis.context import box_outliers, box_summary
from agg2exp.analysis.importances import Importances
from agg2exp.domain.errors import SettingError, check_choice
from agg2exp.domain.roi_importance import GlobalImportance
from agg2exp.domain.text import mathtext
from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.boxes import BOX_HEIGHT, set_rows, set_share_axis, write_no_value
from agg2exp.figures.distributions import ROW_HEIGHT, counts_of, draw_distributions, rows_of
from agg2exp.figures.heat_map import draw_heat_map
from agg2exp.figures.importance_graph import draw_graph
from agg2exp.figures.matrix import missing_legend

PANEL_INCHES = 5.2
SOURCES_PER_CLASS = 3  # in the graph


def summary_picture(
    importances: Importances,
    matrix: GlobalImportance,
    anatomy: Anatomy,
    *,
    target: str,
    case: str,
    classes: Sequence[str],
) -> Figure:
    """Summary of what the model relies on for one target (Fig. 12).

    (a) E_x[a, b] of one case x and all sources b, as bars; (b) the same over all cases, as boxes; (c) the mean over
    cases among a few classes, as heat map; (d) the same as graph. Bars and boxes share rows, scale and colours.

    Args:
        importances: Of kind `importance`.
        matrix: Mean of the same over cases.
        anatomy: Groups and colours.
        target: The class a in (a) and (b).
        case: The case x in (a).
        classes: Rows and columns of (c), nodes of (d).

    Raises:
        SettingError: The target, the case or a class is not there, or none of the classes was explained.
    """
    check_choice("target", target, importances.targets)
    if case not in importances.cases:
        raise SettingError("case", case, f"one of {len(importances.cases)} cases, as {importances.cases[0]!r}")
    among = _among(matrix, classes)
    k = importances.targets.index(target)
    of_target = replace(importances, targets=(target,), values=importances.values[:, [k]])
    rows = rows_of(box_summary(of_target), target)
    of_case = dict(zip(of_target.sources, of_target.values[of_target.cases.index(case), 0], strict=True))

    named, beside = style.name_length(of_target.sources), 0.25 + 0.8 * style.name_length(among.sources)
    least = max(1.6, 0.8 + 0.09 * len(among.sources))  # radius of the graph in inches
    panel = max(PANEL_INCHES, 2 * (least + beside))
    upper, lower = 0.7 + ROW_HEIGHT * len(rows), PANEL_INCHES + 0.71 * style.name_length(among.sources)  # names at 45°
    title = f"Importance of each region for {style.readable(target)}"
    figure = style.new_figure(named + 2 * panel + 2.4, upper + lower + 1.0, title)
    (bars, boxes), (map_axes, graph_axes) = figure.subplots(2, 2, height_ratios=(upper, lower))
    draw_bars(bars, rows, of_case, target, anatomy)
    draw_distributions(boxes, rows, box_outliers(of_target), target, anatomy, names=False)
    draw_heat_map(map_axes, among, anatomy)
    _draw_graph(graph_axes, among, anatomy, radius=panel / 2 - beside, beside=beside)
    regions = f"among {len(among.sources)} regions"
    titles = {
        bars: f"(a) in case {mathtext(case)}",
        boxes: f"(b) over cases, {counts_of(rows)}",
        map_axes: f"(c) mean importance {regions} in percent, {style.case_counts(among)}",
        graph_axes: f"(d) up to {SOURCES_PER_CLASS} strongest sources of each class {regions}",
    }
    for axes, text in titles.items():
        axes.set_title(text, fontsize=style.TEXT, fontweight="bold", color=style.INK, loc="left")
    style.key(
        figure,
        style.group_legend(of_target.sources, anatomy)
        + missing_legend(among.mean, "not predicted\n(or no attribution)"),
        "group of the region",
    )
    return figure


def draw_bars(axes: Axes, rows: pd.DataFrame, of_case: dict[str, float], target: str, anatomy: Anatomy) -> None:
    """A bar with its percentage for each source, in the order of `rows`."""
    set_rows(axes, list(rows["source"]), target)
    set_share_axis(axes)
    axes.set_xlabel("importance: share of |attribution| (square-root scale)", fontsize=style.TEXT)
    note: dict[str, Any] = {"textcoords": "offset points", "ha": "left", "va": "center", "fontsize": style.TINY}
    for row, source in enumerate(rows["source"]):
        value = of_case[source]
        if np.isnan(value):
            write_no_value(axes, row)
            continue
        axes.barh(row, value, height=BOX_HEIGHT, color=anatomy.colour(source), edgecolor=style.INK, linewidth=0.6)
        axes.annotate(_percent(value), (value, row), xytext=(4, 0), **note)


def _draw_graph(axes: Axes, among: GlobalImportance, anatomy: Anatomy, radius: float, beside: float) -> None:
    """The graph with `beside` inches for the names at either side of a ring of `radius` inches."""
    draw_graph(axes, among, anatomy, SOURCES_PER_CLASS)
    x, y = 1 + beside / radius, 1 + 0.5 / radius
    axes.set(xlim=(-x, x), ylim=(-y, y), anchor="N")
    note = "width of arrow: importance of the source for the target; area of disc: of a class for itself"
    axes.text(0, -y, note, fontsize=style.TINY, color=style.QUIET, ha="center", va="top")


def _percent(share: float) -> str:
    """One decimal, but never "0.0%" for a share above zero."""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def _among(matrix: GlobalImportance, classes: Sequence[str]) -> GlobalImportance:
    """The entries among a few regions.

    Raises:
        SettingError: One of them is no source, or none is a target.
    """
    for name in classes:
        check_choice("classes", name, matrix.sources)
    targets = tuple(name for name in classes if name in matrix.targets)
    if not targets:
        raise SettingError("classes", list(classes), f"at least one of {list(matrix.targets)}")
    where = np.ix_([matrix.targets.index(a) for a in targets], [matrix.sources.index(b) for b in classes])
    parts = {name: getattr(matrix, name)[where] for name in ("mean", "count", "std", "low", "high")}
    return replace(matrix, targets=targets, sources=tuple(classes), **parts)
