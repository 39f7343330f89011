"""Heat map of global RoI importance."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from agg2exp.domain.errors import check_choice
from agg2exp.domain.roi_importance import GlobalImportance
from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.clustering import clustered
from agg2exp.figures.matrix import colour_bar, hatch_missing, matrix_size, missing_legend, name_axes
from agg2exp.figures.scales import scale_of

Order = Literal["labels", "clustered"]
ORDERS: tuple[Order, ...] = ("labels", "clustered")


def heat_map(importance: GlobalImportance, anatomy: Anatomy, order: Order = "labels") -> Figure:
    """Mean over cases of E[a, b] (Eq. 7), or of its enrichment, for target a (row) and source b (column).

    Shares run from 0 to 1 on a root scale; enrichment, the share divided by the region's share of the volume or body,
    from 1/64 to 64 on a logarithmic scale with white at 1, where a region gets no more than its size. The scale is the
    same in every picture, so that two pictures can be compared. Entries without a value are hatched: a whole row (the
    class was never predicted, or had no attribution) otherwise than a single entry (for example an extra mask that was
    not supplied).

    Args:
        importance: Of a kind that is a share or an enrichment.
        anatomy: Groups and colours.
        order: "labels": as in `importance`; "clustered": targets with similar rows side by side, see `clustered`.

    Raises:
        SettingError: The kind has no such scale, or the order is unknown.
    """
    check_choice("order", order, ORDERS)
    scale = scale_of(importance.kind)
    if order == "clustered":
        importance = clustered(importance, scale.norm)
    figure = style.new_figure(*matrix_size(importance.targets, importance.sources), scale.title)
    axes = figure.add_subplot()
    mesh = draw_heat_map(axes, importance, anatomy)
    similar = "; similar rows side by side" if order == "clustered" else ""
    title = f"mean over {style.case_counts(importance)}; numbers: {scale.numbers}{similar}"
    axes.set_title(title, fontsize=style.SMALL, color=style.QUIET)
    bar = colour_bar(axes, mesh, scale.label, extend=scale.extend)
    bar.set_ticks(list(scale.ticks), labels=[scale.name(tick) for tick in scale.ticks])
    bar.ax.minorticks_off()
    missing = missing_legend(importance.mean, "not predicted\n(or no attribution)")
    figure.legend(
        handles=style.group_legend(importance.sources, anatomy) + missing,
        loc="outside right upper",
        fontsize=style.SMALL,
        frameon=False,
    )
    return figure


def draw_heat_map(axes: Axes, importance: GlobalImportance, anatomy: Anatomy) -> QuadMesh:
    """Draw the entries with their numbers, names and hatches; self-importance is framed.

    Returns:
        What a colour bar needs.

    Raises:
        SettingError: The kind is neither a share nor an enrichment.
    """
    scale = scale_of(importance.kind)
    values = np.ma.masked_invalid(importance.mean)
    mesh = axes.pcolormesh(values, cmap=scale.colours, norm=scale.norm, edgecolors="white", linewidth=0.8)
    for (row, column), value in np.ndenumerate(importance.mean):
        if not np.isfinite(value):
            continue
        if importance.targets[row] == importance.sources[column]:
            axes.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=style.INK, linewidth=0.9))
        if number := scale.number(value):
            ink = style.ink_on(scale.colours(scale.norm(value))[:3])
            where = (column + 0.5, row + 0.5)
            axes.annotate(number, where, ha="center", va="center", fontsize=style.SMALL, color=ink)
    hatch_missing(axes, importance.mean)
    name_axes(axes, importance.targets, importance.sources, anatomy)
    return mesh
