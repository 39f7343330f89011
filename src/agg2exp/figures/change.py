"""Where two data sets differ in global RoI importance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from agg2exp.domain.errors import SettingError, check_range
from agg2exp.domain.text import mathtext
from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.matrix import colour_bar, hatch_missing, matrix_size, missing_legend, name_axes

COLOURS = colormaps["RdBu_r"]  # also told apart by colour-blind readers; red: more in the second data set
SMALLEST_SCALE = 0.01  # end of the scale if nothing differs by more
SMALL_SQUARE = 0.46  # edge of the square of what is not significant, in cells


def change_map(table: pd.DataFrame, anatomy: Anatomy, names: tuple[str, str], alpha: float = 0.05) -> Figure:
    """Difference of the global importance E[a, b] of two data sets, second minus first.

    An entry whose adjusted p-value is at most `alpha` fills its cell, is framed and says by how many percentage points
    it differs. What may differ by chance is a small square of the same colour scale, hollow if not tested. The scale
    is symmetric, by the root as in the heat map, and ends at the largest difference.

    Args:
        table: Result of `compare`.
        anatomy: Groups and colours.
        names: Of the first and the second data set.
        alpha: Level of the tests after adjustment.

    Raises:
        SettingError: `alpha` is outside [0, 1], or the table has no row.
    """
    check_range("alpha", alpha, 0, 1)
    if table.empty:
        raise SettingError("table", "no row", "a row for each target and source")
    targets, sources = ([str(name) for name in pd.unique(table[column])] for column in ("target", "source"))
    difference, p = (_matrix(table, column, targets, sources) for column in ("difference", "p_adjusted"))
    largest = float(np.nanmax(np.abs(difference), initial=SMALLEST_SCALE))
    norm = _norm(largest)
    figure = style.new_figure(*matrix_size(targets, sources), "Change of global RoI importance")
    axes = figure.add_subplot()
    _draw_entries(axes, difference, p, alpha, norm)
    hatch_missing(axes, difference)
    name_axes(axes, targets, sources, anatomy)
    counts = [_cases(table[column]) for column in ("count_first", "count_second")]
    of = [f"{name} ({count})" for name, count in zip(names, counts, strict=True)]
    axes.set_title(mathtext(f"{of[1]} minus {of[0]}"), fontsize=style.SMALL, color=style.QUIET)
    bar = colour_bar(axes, ScalarMappable(norm, COLOURS), "difference of importance, percentage points")
    ticks = [share * largest for share in (-1, -0.25, 0, 0.25, 1)]
    bar.set_ticks(ticks, labels=[_points(tick) for tick in ticks])
    bar.ax.minorticks_off()
    handles = [
        *style.group_legend(sources, anatomy),
        *_legend(difference, p, alpha),
        *missing_legend(difference, "no value in one\nor both data sets"),
    ]
    style.key(figure, handles)
    return figure


def _matrix(table: pd.DataFrame, column: str, targets: list[str], sources: list[str]) -> NDArray[np.float64]:
    """(K, R) of a column."""
    index = pd.MultiIndex.from_product([targets, sources])
    values = table.set_index(["target", "source"])[column].reindex(index)
    return np.asarray(values.to_numpy(dtype=np.float64).reshape(len(targets), len(sources)))


def _norm(largest: float) -> FuncNorm:
    """Value -> [0, 1], symmetric about 0, by the root of the size."""

    def root(x: Any) -> Any:
        return np.sign(x) * np.sqrt(np.abs(x))

    def square(x: Any) -> Any:
        return np.sign(x) * np.square(x)

    return FuncNorm((root, square), vmin=-largest, vmax=largest)


def _draw_entries(
    axes: Axes, difference: NDArray[np.float64], p: NDArray[np.float64], alpha: float, norm: FuncNorm
) -> None:
    """Framed cells with a number, small squares, hollow squares."""
    for (row, column), value in np.ndenumerate(difference):
        if np.isnan(value):
            continue
        colour = COLOURS(float(norm(value)))[:3]
        if p[row, column] <= alpha:
            look: dict[str, Any] = {"facecolor": colour, "edgecolor": style.INK, "linewidth": 0.9}
            axes.add_patch(Rectangle((column, row), 1, 1, **look))
            note: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": style.SMALL}
            axes.annotate(_points(value), (column + 0.5, row + 0.5), color=style.ink_on(colour), **note)
        else:
            corner = column + (1 - SMALL_SQUARE) / 2, row + (1 - SMALL_SQUARE) / 2
            tested = not np.isnan(p[row, column])
            look = {"facecolor": colour if tested else "none", "edgecolor": style.QUIET if tested else colour}
            axes.add_patch(Rectangle(corner, SMALL_SQUARE, SMALL_SQUARE, linewidth=0.3 if tested else 1.5, **look))


def _points(share: float) -> str:
    """Percentage points with their sign, at most four characters; a sign alone for less than 0.05."""
    size = 100 * abs(share)
    sign = "+" if share > 0 else "−" if share < 0 else ""
    if size == 0:
        return "0"
    return sign + (f"{size:.0f}" if size >= 9.95 else f"{size:.1f}" if size >= 0.05 else "")


def _cases(counts: pd.Series) -> str:
    """The largest number of patients with a value, as in "n = 32"."""
    return f"n = {int(counts.max())}"


def _legend(difference: NDArray[np.float64], p: NDArray[np.float64], alpha: float) -> list[Line2D]:
    """What the squares mean, as far as they occur."""
    square: dict[str, Any] = {"linestyle": "none", "marker": "s"}
    known = ~np.isnan(difference)
    looks = (
        (p <= alpha, f"significant: p ≤ {alpha:g}\n(Benjamini–Hochberg)", {"markersize": 9, "color": "white"}),
        (p > alpha, "not significant", {"markersize": 5, "color": style.QUIET}),
        (np.isnan(p), "not tested", {"markersize": 5, "color": "white", "markeredgecolor": style.QUIET}),
    )
    ink = {"markeredgecolor": style.INK}
    return [
        Line2D([], [], label=label, **{**square, **ink, **look})
        for where, label, look in looks
        if (where & known).any() or "p ≤" in label
    ]
