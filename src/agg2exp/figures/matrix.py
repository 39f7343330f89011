"""What pictures of matrices share (a row per target, a column per source): names, sizes, entries without a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.patches import Patch, Rectangle
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy

CHIP = 8.0  # edge of a group's colour chip in points
CHIP_LOOK: dict[str, Any] = {"marker": "s", "s": CHIP**2, "linewidth": 0, "clip_on": False}
MISSING: dict[str, Any] = {"facecolor": style.FAINT, "edgecolor": "#b5b5b5", "linewidth": 0.0}
EMPTY_ROW, EMPTY_ENTRY = "////", "...."


def matrix_size(targets: Sequence[str], sources: Sequence[str]) -> tuple[float, float]:
    """Width and height in inches of a figure with a matrix, its names, a colour bar and a legend."""
    rows, columns = len(targets), len(sources)
    cell = float(np.clip(8.0 / max(rows, columns), 0.22, 0.6))  # wide enough for three digits
    at_an_angle = 0.71 * style.name_length(sources)
    return 3.1 + style.name_length(targets) + cell * columns, 1.4 + at_an_angle + cell * rows


def name_axes(axes: Axes, targets: Sequence[str], sources: Sequence[str], anatomy: Anatomy) -> None:
    """Row 0 at the top; names, each with a chip in the colour of its group between name and matrix."""
    axes.set(xlim=(0, len(sources)), ylim=(len(targets), 0))
    places = np.arange(len(sources)) + 0.5
    axes.set_xticks(places, [style.readable(name) for name in sources], fontsize=style.TEXT, color=style.INK)
    for tick in axes.get_xticklabels():
        tick.set(rotation=45, ha="right", rotation_mode="anchor")
    axes.set_xlabel("source: region", fontsize=style.TEXT, fontweight="bold")
    name_rows(axes, targets, anatomy)
    below = axes.get_xaxis_transform() + ScaledTranslation(0, -(CHIP / 2 + 3) / 72, axes.figure.dpi_scale_trans)
    colours = [anatomy.colour(name) for name in sources]
    axes.scatter(places, np.zeros(len(sources)), color=colours, transform=below, **CHIP_LOOK)


def name_rows(axes: Axes, targets: Sequence[str], anatomy: Anatomy) -> None:
    """Names of the targets, each with its chip 3 points from the matrix."""
    places = np.arange(len(targets)) + 0.5
    axes.set_yticks(places, [style.readable(name) for name in targets], fontsize=style.TEXT, color=style.INK)
    axes.tick_params(length=0, pad=CHIP + 6)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("target: class explained", fontsize=style.TEXT, fontweight="bold")
    away = axes.get_yaxis_transform() + ScaledTranslation(-(CHIP / 2 + 3) / 72, 0, axes.figure.dpi_scale_trans)
    colours = [anatomy.colour(name) for name in targets]
    axes.scatter(np.zeros(len(targets)), places, color=colours, transform=away, **CHIP_LOOK)


def hatch_missing(axes: Axes, values: NDArray[np.float64]) -> None:
    """Hatch what has no value: a whole row otherwise than a single entry."""
    empty = ~np.isfinite(values)
    whole = np.logical_and.reduce(empty, axis=1)
    for row in np.flatnonzero(whole):
        axes.add_patch(Rectangle((0, float(row)), empty.shape[1], 1, hatch=EMPTY_ROW, **MISSING))
    for row, column in np.argwhere(empty & ~whole[:, None]):
        axes.add_patch(Rectangle((column, row), 1, 1, hatch=EMPTY_ENTRY, **MISSING))


def missing_legend(values: NDArray[np.float64], whole_row: str) -> list[Patch]:
    """The legend entries of the hatches that `hatch_missing` uses; `whole_row` says why a row has no value."""
    empty = ~np.isfinite(values)
    whole = np.logical_and.reduce(empty, axis=1)
    legend = []
    if whole.any():
        legend.append(Patch(hatch=EMPTY_ROW, label=whole_row, **MISSING))
    if (empty & ~whole[:, None]).any():
        legend.append(Patch(hatch=EMPTY_ENTRY, label="no value", **MISSING))
    return legend


def colour_bar(axes: Axes, mapped: ScalarMappable, label: str, **how: Any) -> Colorbar:
    """A colour bar beside a matrix."""
    bar = axes.figure.colorbar(mapped, ax=axes, fraction=0.04, shrink=0.8, aspect=25, pad=0.02, **how)
    bar.ax.tick_params(labelsize=style.SMALL)
    bar.set_label(label, fontsize=style.TEXT)
    bar.outline.set_visible(False)
    return bar
