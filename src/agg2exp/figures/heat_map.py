"""Heat map of global RoI importance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, LogNorm, Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from agg2exp.domain.errors import check_choice
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.clustering import clustered
from agg2exp.figures.matrix import colour_bar, hatch_missing, matrix_size, missing_legend, name_axes

Order = Literal["scheme", "clustered"]
ORDERS: tuple[Order, ...] = ("scheme", "clustered")
PERCENT_FROM, FACTOR_FROM = 0.01, 0.1  # below, the colour says enough
LARGEST_FACTOR = 64.0  # at the end of the scale of enrichment


@dataclass(frozen=True)
class Scale:
    """How values become colours and numbers.

    Attributes:
        title: Of the picture.
        label: What is shown.
        colours: From the lowest to the highest value.
        norm: Value -> [0, 1].
        ticks: Values named at the colour bar.
        name: Name of a tick.
        number: What is written into an entry; empty for nothing.
        numbers: What the numbers are.
        extend: Ends of the scale beyond which there may be values.
    """

    title: str
    label: str
    colours: Colormap
    norm: Normalize
    ticks: Sequence[float]
    name: Callable[[float], str]
    number: Callable[[float], str]
    numbers: str
    extend: Literal["neither", "both"]


def heat_map(importance: GlobalImportance, anatomy: Anatomy, order: Order = "scheme") -> Figure:
    """Mean over cases of E[a, b] (Eq. 7), or of its enrichment, for target a (row) and source b (column).

    Shares run from 0 to 1 on a root scale; enrichment, the share divided by the region's share of the volume or body,
    from 1/64 to 64 on a logarithmic scale with white at 1, where a region gets no more than its size. The scale is the
    same in every picture, so that two pictures can be compared. Entries without a value are hatched: a whole row (the
    class was never predicted, or had no attribution) otherwise than a single entry (for example an extra mask that was
    not supplied).

    Args:
        importance: Of a kind that is a share or an enrichment.
        anatomy: Groups and colours.
        order: "scheme": as in `importance`; "clustered": targets with similar rows side by side, see `clustered`.

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


def scale_of(kind: Kind) -> Scale:
    """The scale of a kind of RoI importance.

    Raises:
        SettingError: It has none.
    """
    enrichments = {Kind.ENRICHMENT_VOLUME: "volume", Kind.ENRICHMENT_BODY: "body"}
    check_choice("kind", kind.value, [known.value for known in (*style.SHARES, *enrichments)])
    if kind in style.SHARES:
        return Scale(
            title="Global RoI importance",
            label=style.SHARES[kind],
            # Perceptually uniform, and its lightness alone keeps the order, for colour-blind readers; dark = much.
            colours=colormaps["magma"].reversed(),
            # Background and self take most: the root lets the few percent of the others be seen too.
            norm=PowerNorm(0.5, vmin=0.0, vmax=1.0),
            ticks=(0, 0.01, 0.05, 0.1, 0.25, 0.5, 1),
            name="{:.0%}".format,
            number=lambda share: f"{100 * share:.0f}" if share >= PERCENT_FROM else "",
            numbers=f"percent, from {PERCENT_FROM:.0%}",
            extend="neither",
        )
    return Scale(
        title="Global enrichment",
        label=f"share of |attribution| / share of the {enrichments[kind]} (1: no more than its size)",
        colours=colormaps["RdBu_r"],  # also told apart by colour-blind readers
        norm=LogNorm(1 / LARGEST_FACTOR, LARGEST_FACTOR, clip=True),
        ticks=[4.0**i for i in range(-3, 4)],
        name=lambda factor: str(Fraction(factor)),
        number=_factor,
        numbers=f"factors, from {FACTOR_FROM}",
        extend="both",
    )


def _factor(value: float) -> str:
    """At most four characters."""
    if value < FACTOR_FROM:
        return ""
    if value < 9.95:
        return f"{value:.1f}"
    return f"{value:.0f}" if value < 999.5 else f"{value / 1000:.0f}k"
