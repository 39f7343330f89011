"""Three planes through a predicted class, with its attribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from agg2exp.domain.errors import check_range
from agg2exp.domain.text import mathtext
from agg2exp.figures import style
from agg2exp.figures.planes import PLANES, largest_slices, outline, write_directions
from agg2exp.figures.shown_scan import ShownScan

SCALE_PERCENTILE = 98.0  # of the shown strengths; a few extreme voxels must not fade all others
OUTLINE = "#ffe600"
STRENGTHS = LinearSegmentedColormap.from_list(
    "attribution",
    [
        (0.0, (0.10, 0.40, 1.00, 1.0)),
        (0.5, (0.10, 0.40, 1.00, 0.40)),
        (0.5, (1.00, 0.10, 0.05, 0.40)),
        (1.0, (1.00, 0.10, 0.05, 1.0)),
    ],
    N=512,
)


def threshold_of(strength: NDArray[np.floating], top_fraction: float) -> float:
    """The n-th largest of p strengths |e|, n = top_fraction · p rounded; infinite if n = 0."""
    n = round(top_fraction * strength.size)
    return float(np.partition(strength, -n, axis=None)[-n]) if n else np.inf


@dataclass(frozen=True, eq=False)
class Overlay:
    """How the strongest attributions of a volume are drawn, the stronger the more opaque.

    Attributes:
        threshold: The weakest strength |e| that is shown.
        norm: Value -> [0, 1], symmetric about 0.
        colours: Fully transparent below the threshold.
        share: Of all voxels that are shown.
    """

    threshold: float
    norm: Normalize
    colours: ListedColormap
    share: float

    @classmethod
    def of(cls, e: NDArray[np.floating], top_fraction: float) -> Overlay:
        """For the strongest `top_fraction` of e (..., D, H, W), equals of the weakest included, zeros not."""
        strength = np.abs(e)
        threshold = threshold_of(strength, top_fraction)
        strong = (strength >= threshold) & (strength > 0)
        limit = float(np.percentile(strength[strong], SCALE_PERCENTILE)) if strong.any() else 1.0
        table = STRENGTHS(np.arange(STRENGTHS.N))
        edges = np.abs(np.linspace(-1, 1, STRENGTHS.N + 1))
        table[np.maximum(edges[:-1], edges[1:]) < threshold / limit, 3] = 0.0
        colours = ListedColormap(table, name="shown attribution")
        return cls(threshold, Normalize(-limit, limit), colours, float(strong.mean()))

    def shown(self, e: NDArray[np.floating]) -> NDArray[np.floating]:
        """A slice of the volume, masked where it is too weak."""
        return np.ma.array(e, mask=(np.abs(e) < self.threshold) | (e == 0))


@dataclass(frozen=True)
class Caption:
    """What is written above the slices of a class.

    Attributes:
        case: The case.
        class_name: The class explained.
        method: Name of the attribution method.
        doubt: Why to read it with care.
    """

    case: str
    class_name: str
    method: str
    doubt: str = ""

    def __str__(self) -> str:
        """The title."""
        title = f"{mathtext(self.case)}: attribution of {style.readable(self.class_name)}"
        return f"{title} by {style.readable(self.method)}" + (f" ({self.doubt})" if self.doubt else "")


def slice_picture(
    scan: ShownScan,
    mask: NDArray[np.bool_],
    attribution: NDArray[np.floating],
    caption: Caption,
    top_fraction: float = 0.05,
) -> Figure:
    """Axial, coronal and sagittal slice with the largest predicted area of the class (Figure 2), a row per channel.

    The prediction of the class is outlined in yellow; positive attribution is red, negative blue, the
    stronger the more opaque. Only the strongest |values| of the whole volume and all channels are shown, unsmoothed;
    equals of the weakest shown value are shown too, so that no supervoxel is cut.

    Args:
        scan: The image (C, D, H, W).
        mask: (D, H, W) prediction of the class, array axes pointing to R, A, S as those of the scan.
        attribution: e_c, (C, D, H, W), drawn on its own channel, or (1, D, H, W), on each.
        caption: What is shown.
        top_fraction: Share of all voxels to show, in [0, 1].

    Raises:
        ValueError: The class is not predicted, shapes differ, or the attribution is not finite.
        SettingError: `top_fraction` is outside [0, 1].
    """
    check_range("top_fraction", top_fraction, low=0.0, high=1.0)
    _check(scan, mask, attribution, caption)
    strongest = Overlay.of(attribution, top_fraction)
    where = largest_slices(mask)
    extent = np.multiply(mask.shape, scan.spacing)  # millimetres
    widths = [float(extent[plane.across]) for plane in PLANES]
    inches = 11.0 / sum(widths)
    tallest = inches * max(float(extent[plane.up]) for plane in PLANES)
    figure = style.new_figure(12.4, len(scan.image) * tallest + 1.05, str(caption))
    rows = figure.subplots(len(scan.image), 3, width_ratios=widths, squeeze=False)
    for channel, panels in enumerate(rows):
        e = attribution[channel % len(attribution)]
        for axes, plane in zip(panels, PLANES, strict=True):
            index = where[plane.normal]
            box = (0.0, float(extent[plane.across]), 0.0, float(extent[plane.up]))
            how = {"extent": box, "interpolation": "nearest", "aspect": "equal"}
            black, white = scan.limits[channel]
            axes.imshow(plane.cut(scan.image[channel], index), cmap="gray", vmin=black, vmax=white, **how)
            shown = strongest.shown(plane.cut(e, index))
            overlay = axes.imshow(shown, cmap=strongest.colours, norm=strongest.norm, **how)
            axes.add_collection(LineCollection(outline(plane.cut(mask, index), box), colors=OUTLINE, lw=1.3))
            axes.set_axis_off()
            last = mask.shape[plane.normal] - 1
            axes.set_title(f"{plane.name}, slice {index} of 0..{last}", fontsize=style.TEXT)
            write_directions(axes, plane.letters)
        if len(rows) > 1:
            name = mathtext(scan.channels[channel])
            panels[0].text(-0.02, 0.5, name, transform=panels[0].transAxes, rotation=90, ha="right", va="center",
                           fontsize=style.TEXT)  # fmt: skip
    key = Line2D([], [], color=OUTLINE, linewidth=1.3, label=f"prediction of {style.readable(caption.class_name)}")
    on_black = {"labelcolor": "white", "facecolor": "black", "edgecolor": "none"}
    rows[0, 0].legend(handles=[key], loc="lower left", fontsize=style.TINY, **on_black)
    bar = figure.colorbar(overlay, ax=rows.ravel().tolist(), shrink=0.9, aspect=25, pad=0.01, extend="both")
    bar.set_label(f"attribution, strongest {strongest.share:.1%} of voxels", fontsize=style.SMALL)
    bar.ax.tick_params(labelsize=style.TINY)
    bar.ax.yaxis.offsetText.set_fontsize(style.TINY)
    bar.ax.set_facecolor("#808080")  # as on soft tissue
    bar.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]  # the default ScalarFormatter
    return figure


def _check(scan: ShownScan, mask: NDArray[np.bool_], attribution: NDArray[np.floating], caption: Caption) -> None:
    """Raise `ValueError` unless the volumes fit together and there is something to show."""
    case, name = caption.case, caption.class_name
    channels = len(scan.image)
    if not scan.shape == mask.shape == attribution.shape[1:] or len(attribution) not in (1, channels):
        shapes = f"image {scan.image.shape}, prediction {mask.shape}, attribution {attribution.shape}"
        raise ValueError(
            f"case {case}: expected one (D, H, W) for all volumes, and an attribution to each of the channels or to "
            f"all together, got {shapes}."
        )
    if not np.isfinite(attribution).all():
        raise ValueError(f"case {case}: the attribution of {name} has values that are not finite.")
    if not mask.any():
        raise ValueError(
            f"case {case}: expected a prediction of {name}, got none; there is no slice through it to show. "
            "Leave this class out for this case."
        )
