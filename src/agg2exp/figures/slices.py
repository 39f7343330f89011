"""Three planes through a predicted class, with its attribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from agg2exp.domain.errors import check_range
from agg2exp.domain.text import mathtext
from agg2exp.figures import style

T = TypeVar("T", bound=np.generic)
CT_WINDOW = (0.0, 0.9)  # of an image scaled from [-1024, 1024] HU: lung dark, soft tissue grey, bone light
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


@dataclass(frozen=True)
class Plane:
    """A plane of a volume whose axes point to R, A, S, drawn in radiological convention.

    The patient's left is at the right of the picture, as if the reader stood at the feet of the patient.

    Attributes:
        name: Name of the plane.
        normal: Array axis that the plane is perpendicular to.
        across: Array axis along the rows of the picture, running to the left.
        up: Array axis along its columns, running upwards; up > across.
        letters: Directions at the left, right, top and bottom.
    """

    name: str
    normal: int
    across: int
    up: int
    letters: str

    def cut(self, volume: NDArray[T], index: int) -> NDArray[T]:
        """The picture (rows from the top, columns from the left) of a (D, H, W) volume at `index`."""
        where = tuple(index if axis == self.normal else slice(None, None, -1) for axis in range(3))
        return volume[where].T  # `across` comes before `up` in every plane


PLANES = (
    Plane("axial", normal=2, across=0, up=1, letters="RLAP"),
    Plane("coronal", normal=1, across=0, up=2, letters="RLSI"),
    Plane("sagittal", normal=0, across=1, up=2, letters="APSI"),
)


def largest_slices(mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    """For each axis of a (D, H, W) mask the index of the slice with most voxels (the first of equals)."""
    d, h, w = (int(mask.sum(axis=other).argmax()) for other in ((1, 2), (0, 2), (0, 1)))
    return d, h, w


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
        """For the strongest `top_fraction` of e (D, H, W), equals of the weakest included, zeros not."""
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


def slice_picture(
    case_id: str,
    class_name: str,
    image: NDArray[np.floating],
    prediction_labels: NDArray[np.integer],
    label_index: int,
    attribution: NDArray[np.floating],
    spacing: tuple[float, float, float],
    method: str,
    top_fraction: float = 0.05,
    doubt: str = "",
) -> Figure:
    """Axial, coronal and sagittal slice with the largest predicted area of the class (Figure 2).

    The prediction of the class is outlined in yellow; positive attribution is red, negative blue, the
    stronger the more opaque. Only the strongest |values| of the whole volume are shown, unsmoothed; equals of
    the weakest shown value are shown too, so that no supervoxel is cut.

    Args:
        case_id: The case.
        class_name: The class explained.
        image: (D, H, W) in [0, 1], array axes pointing to R, A, S.
        prediction_labels: (D, H, W) predicted label map.
        label_index: Label of the class.
        attribution: e_c, (C, D, H, W) or (D, H, W); channels are summed.
        spacing: Millimetres between voxels along D, H, W.
        method: Name of the attribution method.
        top_fraction: Share of all voxels to show, in [0, 1].
        doubt: Why to read it with care, for the title.

    Raises:
        ValueError: The class is not predicted, shapes differ, or the attribution is not finite.
        SettingError: `top_fraction` is outside [0, 1].
    """
    check_range("top_fraction", top_fraction, low=0.0, high=1.0)
    e = attribution.sum(axis=0) if attribution.ndim == 4 else attribution
    if not image.shape == prediction_labels.shape == e.shape:
        shapes = f"image {image.shape}, prediction {prediction_labels.shape}, attribution {attribution.shape}"
        raise ValueError(f"case {case_id}: expected one (D, H, W) for all volumes, got {shapes}.")
    if not np.isfinite(e).all():
        raise ValueError(f"case {case_id}: the attribution of {class_name} has values that are not finite.")
    mask = prediction_labels == label_index
    if not mask.any():
        raise ValueError(
            f"case {case_id}: expected a prediction of {class_name} (label {label_index}), got none; "
            "there is no slice through it to show. Leave this class out for this case."
        )
    strongest = Overlay.of(e, top_fraction)
    where = largest_slices(mask)
    extent = np.multiply(mask.shape, spacing)  # millimetres
    widths = [float(extent[plane.across]) for plane in PLANES]
    inches = 11.0 / sum(widths)
    tallest = inches * max(float(extent[plane.up]) for plane in PLANES)
    title = f"{mathtext(case_id)}: attribution of {style.readable(class_name)} by {style.readable(method)}"
    title += f" ({doubt})" if doubt else ""
    figure = style.new_figure(12.4, tallest + 1.05, title)
    panels = figure.subplots(1, 3, width_ratios=widths)
    for axes, plane in zip(panels, PLANES, strict=True):
        index = where[plane.normal]
        box = (0.0, float(extent[plane.across]), 0.0, float(extent[plane.up]))
        how = {"extent": box, "interpolation": "nearest", "aspect": "equal"}
        axes.imshow(plane.cut(image, index), cmap="gray", vmin=CT_WINDOW[0], vmax=CT_WINDOW[1], **how)
        overlay = axes.imshow(strongest.shown(plane.cut(e, index)), cmap=strongest.colours, norm=strongest.norm, **how)
        axes.add_collection(LineCollection(outline(plane.cut(mask, index), box), colors=OUTLINE, lw=1.3))
        axes.set_axis_off()
        last = mask.shape[plane.normal] - 1
        axes.set_title(f"{plane.name}, slice {index} of 0..{last}", fontsize=style.TEXT)
        write_directions(axes, plane.letters)
    key = Line2D([], [], color=OUTLINE, linewidth=1.3, label=f"prediction of {style.readable(class_name)}")
    on_black = {"labelcolor": "white", "facecolor": "black", "edgecolor": "none"}
    panels[0].legend(handles=[key], loc="lower left", fontsize=style.TINY, **on_black)
    bar = figure.colorbar(overlay, ax=panels, shrink=0.9, aspect=25, pad=0.01, extend="both")
    bar.set_label(f"attribution, strongest {strongest.share:.1%} of voxels", fontsize=style.SMALL)
    bar.ax.tick_params(labelsize=style.TINY)
    bar.ax.yaxis.offsetText.set_fontsize(style.TINY)
    bar.ax.set_facecolor("#808080")  # as on soft tissue
    bar.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]  # the default ScalarFormatter
    return figure


def outline(
    mask: NDArray[np.bool_], box: tuple[float, float, float, float]
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Segments along the pixel edges between inside and outside of a 2D mask drawn into (x0, x1, y0, y1)."""
    rows, columns = mask.shape
    x = np.linspace(box[0], box[1], columns + 1)
    y = np.linspace(box[3], box[2], rows + 1)  # row 0 is at the top
    padded = np.pad(mask, 1).astype(np.int8)
    level = [((x[c], y[r]), (x[c + 1], y[r])) for r, c in np.argwhere(np.diff(padded, axis=0)[:, 1:-1])]
    upright = [((x[c], y[r]), (x[c], y[r + 1])) for r, c in np.argwhere(np.diff(padded, axis=1)[1:-1])]
    return level + upright


def write_directions(axes: Axes, letters: str) -> None:
    """One letter at each side of a panel."""
    places = ((0.025, 0.5), (0.975, 0.5), (0.5, 0.97), (0.5, 0.03))
    for letter, (x, y) in zip(letters, places, strict=True):
        text = axes.text(x, y, letter, transform=axes.transAxes, ha="center", va="center", color="white")
        text.set_fontsize(style.TEXT)
        text.set_path_effects([withStroke(linewidth=2, foreground="black")])
