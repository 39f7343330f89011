"""Level boxes with dots on an axis of shares, a row for each region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from agg2exp.figures import style

# As in the heat map: from 0 to 1 in every picture, and the root lets a few per mille be seen beside tens of percent.
TICKS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
LEFT_OF_ZERO = 0.0004  # so that boxes and dots at zero are not cut by the frame
BOX_HEIGHT = 0.66  # of a row
BOX_PARTS = {"whisker_low": "whislo", "q1": "q1", "median": "med", "q3": "q3", "whisker_high": "whishi"}  # as in bxp


def set_rows(axes: Axes, names: Sequence[str], target: str | None = None) -> None:
    """A row for each name, the first at the top; the target itself in bold."""
    axes.set_yticks(range(len(names)), [style.readable(name) for name in names], fontsize=style.TEXT, color=style.INK)
    for name, tick in zip(names, axes.get_yticklabels(), strict=True):
        tick.set_fontweight("bold" if name == target else "normal")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def set_share_axis(axes: Axes, *, rest: bool = False) -> None:
    """Square-root scale from 0 to 100 %; `rest`: with 100 % − share written at the ticks."""
    axes.set_xscale("function", functions=(_root, _square))
    axes.set_xlim(-LEFT_OF_ZERO, 1.0)
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * (1 - x if rest else x):.3g}%"))
    axes.tick_params(axis="x", labelsize=style.SMALL)
    if not rest:
        axes.grid(axis="x", color=style.FAINT, linewidth=0.8)
        axes.set_axisbelow(True)


def draw_boxes(
    axes: Axes,
    stats: Sequence[dict[str, Any]],
    positions: ArrayLike,
    colours: Sequence[str],
    height: float = BOX_HEIGHT,
    hatch: str | None = None,
) -> None:
    """Level boxes of statistics as `Axes.bxp` takes them; a box without width becomes a diamond."""
    line: dict[str, Any] = {"color": style.INK, "linewidth": 0.8, "solid_capstyle": "butt"}
    # with a halo, the median can be seen on every colour
    halo = [withStroke(linewidth=2.3, foreground="white")]
    drawn = axes.bxp(
        stats,
        positions=np.asarray(positions, dtype=np.float64),
        widths=height,
        orientation="horizontal",
        patch_artist=True,
        showfliers=False,
        manage_ticks=False,
        boxprops={"edgecolor": style.INK, "linewidth": 0.6, "hatch": hatch},
        medianprops=line | {"linewidth": 1.3, "path_effects": halo},
        whiskerprops=line,
        capprops=line,
    )
    for box, colour in zip(drawn["boxes"], colours, strict=True):
        box.set_facecolor(colour)
    flat = [i for i, box in enumerate(stats) if box["q1"] == box["q3"]]
    x, y = [stats[i]["med"] for i in flat], np.asarray(positions, dtype=np.float64)[flat]
    diamond: dict[str, Any] = {"marker": "D", "s": 26, "edgecolor": style.INK, "linewidth": 0.6, "zorder": 4}
    axes.scatter(x, y, color=[colours[i] for i in flat], **diamond)


def draw_dots(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], colours: Sequence[str]) -> None:
    """Single cases; as pixels also in vector graphics, since there can be thousands."""
    look: dict[str, Any] = {"s": 9, "edgecolor": style.QUIET, "linewidth": 0.3, "rasterized": True, "zorder": 2}
    axes.scatter(x, y, color=list(colours), **look)


def write_no_value(axes: Axes, y: float) -> None:
    """In place of a box."""
    note: dict[str, Any] = {"ha": "left", "va": "center", "fontsize": style.TINY, "style": "italic"}
    axes.annotate("no value", (0, y), xytext=(4, 0), textcoords="offset points", color=style.QUIET, **note)


def write_count(axes: Axes, y: float, count: int) -> None:
    """Cases behind a box, right of the frame."""
    where: dict[str, Any] = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
    text: dict[str, Any] = {"ha": "left", "va": "center", "fontsize": style.TINY, "color": style.QUIET}
    axes.annotate(f"n = {count}", (1, y), xytext=(4, 0), annotation_clip=False, **where, **text)


def _root(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """√x, continued to the left of zero for the margin of the axis."""
    return np.asarray(np.sign(x) * np.sqrt(np.abs(x)))


def _square(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sign(x) * np.square(x))
