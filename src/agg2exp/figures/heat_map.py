"""Heat map of global RoI importance."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import ScaledTranslation

from agg2exp.domain.labels import LabelScheme
from agg2exp.domain.roi_importance import GlobalImportance
from agg2exp.figures import style

# Perceptually uniform, and its lightness alone keeps the order, for colour-blind readers; dark = much.
COLOURS = colormaps["magma"].reversed()
# Background and self take most: the root lets the few percent of the others be seen too.
SCALE = PowerNorm(0.5, vmin=0.0, vmax=1.0)
ANNOTATED_FROM = 0.01
CHIP = 8.0  # edge of a group's colour chip in points
MISSING: dict[str, Any] = {"facecolor": style.FAINT, "edgecolor": "#b5b5b5", "linewidth": 0.0}
EMPTY_ROW, EMPTY_ENTRY = "////", "...."


def heat_map(importance: GlobalImportance, scheme: LabelScheme) -> Figure:
    """Mean share of attribution E[a, b] of target a (row) in source b (column), Eq. 7 averaged over cases.

    The scale runs from 0 to 1 in every picture, so that two pictures can be compared. Entries without a
    value are hatched: a whole row (the class was never predicted, or had no attribution) otherwise than a
    single entry (for example an extra mask that was not supplied).

    Raises:
        SettingError: The kind of importance is no share.
    """
    label = style.share_label(importance)
    n_rows, n_columns = importance.mean.shape
    cell = float(np.clip(8.0 / max(n_rows, n_columns), 0.22, 0.6))  # inches; wide enough for three digits
    rows_named = style.name_length(importance.targets)
    columns_named = 0.71 * style.name_length(importance.sources)  # at 45°
    size = (3.1 + rows_named + cell * n_columns, 1.4 + columns_named + cell * n_rows)
    figure = style.new_figure(*size, "Global RoI importance")
    axes = figure.add_subplot()
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(importance.mean), cmap=COLOURS, norm=SCALE, edgecolors="white", linewidth=0.8
    )
    axes.set(xlim=(0, n_columns), ylim=(n_rows, 0))
    axes.set_title(
        f"mean over {style.case_counts(importance)}; numbers: percent, from {ANNOTATED_FROM:.0%}",
        fontsize=style.SMALL,
        color=style.QUIET,
    )
    _annotate(axes, importance)
    missing = _hatch_missing(axes, importance)
    _name_ticks(axes, importance, scheme)
    bar = figure.colorbar(
        mesh,
        ax=axes,
        fraction=0.04,
        shrink=0.8,
        aspect=25,
        pad=0.02,
        ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 1],
    )
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    bar.ax.tick_params(labelsize=style.SMALL)
    bar.set_label(label, fontsize=style.TEXT)
    bar.outline.set_visible(False)
    figure.legend(
        handles=style.group_legend(importance.sources, scheme) + missing,
        loc="outside right upper",
        fontsize=style.SMALL,
        frameon=False,
    )
    return figure


def _annotate(axes: Axes, importance: GlobalImportance) -> None:
    """Percentages in the cells, and a frame around self-importance."""
    for (row, column), share in np.ndenumerate(importance.mean):
        if importance.targets[row] == importance.sources[column] and np.isfinite(share):
            axes.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=style.INK, linewidth=0.9))
        if share >= ANNOTATED_FROM:
            ink = style.ink_on(COLOURS(SCALE(share))[:3])
            where = (column + 0.5, row + 0.5)
            axes.annotate(f"{100 * share:.0f}", where, ha="center", va="center", fontsize=style.SMALL, color=ink)


def _hatch_missing(axes: Axes, importance: GlobalImportance) -> list[Patch]:
    """Hatch what has no value; the legend entries of the hatches that were used."""
    empty = ~np.isfinite(importance.mean)
    whole = np.logical_and.reduce(empty, axis=1)
    for row in np.flatnonzero(whole):
        axes.add_patch(Rectangle((0, float(row)), empty.shape[1], 1, hatch=EMPTY_ROW, **MISSING))
    for row, column in np.argwhere(empty & ~whole[:, None]):
        axes.add_patch(Rectangle((column, row), 1, 1, hatch=EMPTY_ENTRY, **MISSING))
    legend = []
    if whole.any():
        legend.append(Patch(hatch=EMPTY_ROW, label="not predicted\n(or no attribution)", **MISSING))
    if (empty & ~whole[:, None]).any():
        legend.append(Patch(hatch=EMPTY_ENTRY, label="no value", **MISSING))
    return legend


def _name_ticks(axes: Axes, importance: GlobalImportance, scheme: LabelScheme) -> None:
    """Region names, each with a chip in the colour of its group between name and matrix."""
    rows, columns = len(importance.targets), len(importance.sources)
    text: dict[str, Any] = {"fontsize": style.TEXT, "color": style.INK}
    axes.set_xticks(np.arange(columns) + 0.5, [style.readable(s) for s in importance.sources], **text)
    axes.set_yticks(np.arange(rows) + 0.5, [style.readable(t) for t in importance.targets], **text)
    for tick in axes.get_xticklabels():
        tick.set(rotation=45, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0, pad=CHIP + 6)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("source: region", fontsize=style.TEXT, fontweight="bold")
    axes.set_ylabel("target: class explained", fontsize=style.TEXT, fontweight="bold")
    away = ScaledTranslation(-(CHIP / 2 + 3) / 72, 0, axes.figure.dpi_scale_trans)  # 3 points from the matrix
    below = ScaledTranslation(0, -(CHIP / 2 + 3) / 72, axes.figure.dpi_scale_trans)
    chip: dict[str, Any] = {"marker": "s", "s": CHIP**2, "linewidth": 0, "clip_on": False}
    for names, transform in (
        (importance.targets, axes.get_yaxis_transform() + away),
        (importance.sources, axes.get_xaxis_transform() + below),
    ):
        along, zero = np.arange(len(names)) + 0.5, np.zeros(len(names))
        x, y = (zero, along) if names is importance.targets else (along, zero)
        axes.scatter(x, y, color=[scheme.colour(name) for name in names], transform=transform, **chip)
