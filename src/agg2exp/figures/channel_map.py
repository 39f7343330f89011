"""Picture of the channels that the attribution of each class lies in."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from agg2exp.domain.roi_importance import GlobalImportance
from agg2exp.domain.text import mathtext
from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.matrix import colour_bar, hatch_missing, missing_legend, name_rows

ROW_INCHES, COLUMN_INCHES = 0.42, 1.1
COLOURS = colormaps["magma"].reversed()  # as in the heat map of importance: dark is much
TICKS = (0, 0.25, 0.5, 0.75, 1)


def channel_map(shares: GlobalImportance, anatomy: Anatomy) -> Figure:
    """Mean over cases of the share of each channel (column) in the attribution of each target (row), in percent.

    Below each share stands its 95 % interval, if there is one.

    Args:
        shares: Its sources are the channels.
        anatomy: Groups and colours of the targets.
    """
    rows, columns = len(shares.targets), len(shares.sources)
    named = 0.71 * style.name_length(shares.sources)
    width = 3.1 + style.name_length(shares.targets) + max(COLUMN_INCHES * columns, 2.4)
    figure = style.new_figure(width, 1.7 + named + ROW_INCHES * rows, "Channels that each class relies on")
    axes = figure.add_subplot()
    norm = Normalize(0.0, 1.0)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(shares.mean), cmap=COLOURS, norm=norm, edgecolors="white", linewidth=0.8
    )
    for (row, column), mean in np.ndenumerate(shares.mean):
        if np.isfinite(mean):
            ink = style.ink_on(COLOURS(norm(mean))[:3])
            low, high = float(shares.low[row, column]), float(shares.high[row, column])
            _write(axes, (column + 0.5, row + 0.5), float(mean), (low, high), ink)
    hatch_missing(axes, shares.mean)
    name_rows(axes, shares.targets, anatomy)
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    names = [mathtext(name) for name in shares.sources]
    axes.set_xticks(np.arange(columns) + 0.5, names, fontsize=style.TEXT, color=style.INK, rotation=45, ha="right")
    axes.set_xlabel("channel of the image", fontsize=style.TEXT, fontweight="bold")
    title = f"mean over {style.case_counts(shares)}; percent of |attribution|, 95 % interval"
    axes.set_title(title, fontsize=style.SMALL, color=style.QUIET)
    bar = colour_bar(axes, mesh, "share of |attribution|")
    bar.set_ticks(list(TICKS), labels=[f"{tick:.0%}" for tick in TICKS])
    missing = missing_legend(shares.mean, "not predicted\n(or no attribution)")
    style.key(figure, style.group_legend(shares.targets, anatomy) + missing)
    return figure


def _write(axes: Axes, at: tuple[float, float], mean: float, ends: tuple[float, float], ink: str) -> None:
    """A share, and its interval in smaller letters below."""
    note: dict[str, Any] = {"ha": "center", "textcoords": "offset points", "color": ink}
    if not np.isfinite(ends).all():
        axes.annotate(f"{100 * mean:.0f}", at, xytext=(0, 0), va="center", fontsize=style.SMALL, **note)
        return
    axes.annotate(f"{100 * mean:.0f}", at, xytext=(0, 0), va="bottom", fontsize=style.SMALL, **note)
    interval = f"{100 * ends[0]:.0f} to {100 * ends[1]:.0f}"
    axes.annotate(interval, at, xytext=(0, -1), va="top", fontsize=style.TINY, **note)
