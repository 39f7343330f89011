"""What every picture shares: type sizes, the disclaimer, names and colours of regions, saving."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from agg2exp.domain.disclaimer import DISCLAIMER
from agg2exp.domain.errors import check_choice
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.domain.text import mathtext
from agg2exp.figures.anatomy import Anatomy
from agg2exp.store.atomic import atomic_write

DPI = 150
TITLE, TEXT, SMALL, TINY = 13.0, 9.0, 8.0, 7.0  # type sizes in points
INK, QUIET, FAINT = "#222222", "#666666", "#e9e9e9"

Height = Literal["outside right upper", "outside right center", "outside right lower"]

SHARES = {
    Kind.IMPORTANCE: "share of |attribution|",
    Kind.POSITIVE: "share of positive attribution",
    Kind.NEGATIVE: "share of negative attribution",
    Kind.EXPECTED_BY_DISTANCE: "share of |attribution| expected from distance alone",
}


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure of width x height inches with a title, the disclaimer, and no tie to pyplot."""
    layout = ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08)  # inches
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=TITLE, fontweight="bold", color=INK)
    figure.supxlabel(DISCLAIMER, fontsize=TINY, color=QUIET, style="italic")
    return figure


def readable(name: str) -> str:
    """A class or group name as people write it, in a picture."""
    return mathtext(name.replace("_", " "))


def entry(text: str) -> str:
    """A label of a legend, which leaves out labels that begin with an underscore."""
    return mathtext(f" {text}" if text.startswith("_") else text)


def name_length(names: Iterable[str]) -> float:
    """Room in inches for the longest of some names at size `TEXT`: a letter is about 0.6 of its size wide."""
    return 0.6 * TEXT / 72 * max(map(len, names))


def group_legend(regions: Iterable[str], anatomy: Anatomy) -> list[Patch]:
    """One legend entry for each group that occurs among the regions; a class in no group is known by its name."""
    present = {anatomy.group(region) for region in regions} - {*anatomy.classes}
    return [Patch(color=colour, label=readable(g)) for g, colour in anatomy.colours.items() if g in present]


def key(
    figure: Figure,
    handles: Sequence[Artist],
    title: str | None = None,
    place: Height = "outside right upper",
    spacing: float = 0.5,
) -> None:
    """What colours and marks mean, beside the panels, if any; spacing between entries in units of the type size."""
    if not handles:
        return
    figure.legend(
        handles=handles,
        title=title,
        loc=place,
        labelspacing=spacing,
        fontsize=SMALL,
        title_fontsize=SMALL,
        alignment="left",
        frameon=False,
    )


def share_label(importance: GlobalImportance) -> str:
    """What a share of this kind is a share of.

    Raises:
        SettingError: The kind is no share between 0 and 1 (for example a volume).
    """
    check_choice("kind", importance.kind.value, [kind.value for kind in SHARES])
    return SHARES[importance.kind]


def case_counts(importance: GlobalImportance) -> str:
    """Fewest and most cases behind the entries that have a value, as in "n = 3..32 cases"."""
    counts = importance.count[np.isfinite(importance.mean)]
    if not counts.size:
        return "n = 0 cases"
    low, high = int(counts.min()), int(counts.max())
    return f"n = {low} case{'s' * (low != 1)}" if low == high else f"n = {low} to {high} cases"


def ink_on(background: str | tuple[float, float, float]) -> str:
    """White or `INK`, whichever contrasts more with a background; contrast of two luminances as in WCAG 2."""
    behind, ink = _luminance(background) + 0.05, _luminance(INK) + 0.05
    return INK if behind / ink > 1.05 / behind else "white"


def _luminance(colour: str | tuple[float, float, float]) -> float:
    """Relative luminance of an sRGB colour, 0 for black to 1 for white."""
    rgb = np.asarray(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def save(figure: Figure, path: Path) -> None:
    """Write a PNG whole or not at all; the same figure gives the same bytes.

    The layout is settled by the first save, because matplotlib would move everything a little at each one.

    Raises:
        OSError: The folder is not writable, or the disk is full.
    """
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    with atomic_write(path) as part:
        figure.savefig(part, format="png", dpi=DPI, metadata={"Software": None})
