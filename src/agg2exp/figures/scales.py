"""How values of a kind of RoI importance become colours and numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from matplotlib import colormaps
from matplotlib.colors import Colormap, LogNorm, Normalize, PowerNorm

from agg2exp.domain.errors import check_choice
from agg2exp.domain.roi_importance import Kind
from agg2exp.figures import style

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
