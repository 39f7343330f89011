"""Slices of several cases side by side, through one class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from agg2exp.domain.errors import DataError, SettingError
from agg2exp.domain.text import mathtext
from agg2exp.figures import style
from agg2exp.figures.planes import PLANES, Plane, largest_slices, outline, write_directions
from agg2exp.figures.shown_scan import ShownScan
from agg2exp.figures.slices import OUTLINE, STRENGTHS, Overlay

AXIAL, CORONAL, _ = PLANES
ANNOTATED = "#00e5ff"
TOP_FRACTION = 0.05  # of the voxels, strongest |attribution| first
COLUMNS = 3
CASE_INCHES = 3.1
TALLEST = 1.25  # of a panel, in its widths; of a taller scan, only the part around the class is shown


@dataclass(frozen=True, eq=False)
class Cut:
    """A slice of a scan: rows from the top, columns from the left.

    Attributes:
        plane: Of the slice.
        index: Of the slice, from 0 to `last`.
        last: Of the slices of the scan.
        image: Of the scan's first channel.
        limits: Values of `image` that are drawn black and white.
        predicted: Mask of the class.
        annotated: Mask of the class, or None.
        attribution: Of the class, or None.
        size: Millimetres across and up.
        centre: Of the class in this slice, millimetres from the lower left corner.
    """

    plane: Plane
    index: int
    last: int
    image: NDArray[Any]
    limits: tuple[float, float]
    predicted: NDArray[np.bool_]
    annotated: NDArray[np.bool_] | None
    attribution: NDArray[np.floating] | None
    size: tuple[float, float]
    centre: tuple[float, float]


@dataclass(frozen=True)
class Standing:
    """What is written above the slices of a case.

    Attributes:
        case: Case id.
        normality: Of the class in this case.
        rank: Place of the case among all, as in "1 of 32".
        dice: Of the class; None or NaN if it is not known.
    """

    case: str
    normality: float
    rank: str
    dice: float | None


@dataclass(frozen=True, eq=False)
class CaseSlices:
    """What is shown of a case; it holds two slices, not the scan.

    Attributes:
        standing: Of the case.
        cuts: The axial and the coronal slice.
        overlay: How the attribution is drawn, or None.
    """

    standing: Standing
    cuts: tuple[Cut, Cut]
    overlay: Overlay | None

    @classmethod
    def through(
        cls,
        standing: Standing,
        scan: ShownScan,
        predicted: NDArray[np.bool_],
        annotated: NDArray[np.bool_] | None = None,
        attribution: NDArray[np.floating] | None = None,
    ) -> CaseSlices:
        """Cut a scan where the class is largest: as predicted, else as annotated, else in the middle.

        Args:
            standing: Of the case.
            scan: The image; of several channels the first is shown.
            predicted: (D, H, W) mask of the class, array axes pointing to R, A, S.
            annotated: (D, H, W) mask of the class.
            attribution: (D, H, W) of the class.

        Raises:
            DataError: The volumes differ in shape.
        """
        image, spacing = scan.image[0], scan.spacing
        volumes = {"image": image, "prediction": predicted, "annotation": annotated, "attribution": attribution}
        shapes = {name: volume.shape for name, volume in volumes.items() if volume is not None}
        if len({*shapes.values()}) > 1 or image.ndim != 3:
            raise DataError(f"case {standing.case}: expected one (D, H, W) for all volumes, got {shapes}.")
        masks = [mask for mask in (predicted, annotated) if mask is not None and mask.any()]
        d, h, w = image.shape
        where = largest_slices(masks[0]) if masks else (d // 2, h // 2, w // 2)
        overlay = None if attribution is None else Overlay.of(attribution, TOP_FRACTION)

        def cut(plane: Plane) -> Cut:
            index = where[plane.normal]
            across, up = (image.shape[axis] * spacing[axis] for axis in (plane.across, plane.up))
            centre = across / 2, up / 2
            if masks:
                rows, columns = np.nonzero(plane.cut(masks[0], index))
                left, below = (columns.mean() + 0.5) * spacing[plane.across], (rows.mean() + 0.5) * spacing[plane.up]
                centre = float(left), float(up - below)
            return Cut(
                plane=plane,
                index=index,
                last=image.shape[plane.normal] - 1,
                image=plane.cut(image, index).copy(),
                limits=scan.limits[0],
                predicted=plane.cut(predicted, index).copy(),
                annotated=None if annotated is None else plane.cut(annotated, index).copy(),
                attribution=None if attribution is None else plane.cut(attribution, index).copy(),
                size=(across, up),
                centre=centre,
            )

        return cls(standing, (cut(AXIAL), cut(CORONAL)), overlay)


def case_slices(cases: Sequence[CaseSlices], target: str) -> Figure:
    """Axial and coronal slice of each case where the class is largest, three cases in a row (Fig. 5).

    All slices have one scale, so that a centimetre is the same everywhere. The prediction of the class is outlined in
    yellow, its annotation dashed.

    Args:
        cases: At least one, in the order in which they are shown.
        target: The class.

    Raises:
        SettingError: There is no case.
    """
    if not cases:
        raise SettingError("cases", "none", "at least one case")
    columns = min(COLUMNS, len(cases))
    blocks = math.ceil(len(cases) / columns)
    wide = max(cut.size[0] for case in cases for cut in case.cuts)
    high = [min(max(case.cuts[i].size[1] for case in cases), TALLEST * wide) for i in (0, 1)]
    inches = CASE_INCHES / wide
    height = blocks * (inches * sum(high) + 0.75) + 0.7
    title = f"Cases by normality of {style.readable(target)}"
    figure = style.new_figure(columns * (CASE_INCHES + 0.1) + 2.6, height, title)
    panels = figure.subplots(2 * blocks, columns, height_ratios=high * blocks, squeeze=False)
    for i in range(blocks * columns):
        block, column = divmod(i, columns)
        pair = panels[2 * block : 2 * block + 2, column]
        if i >= len(cases):
            for axes in pair:
                axes.set_axis_off()
            continue
        for axes, cut, up in zip(pair, cases[i].cuts, high, strict=True):
            _draw_cut(axes, cut, cases[i].overlay, (wide, up))
            if column == 0:
                axes.set_ylabel(cut.plane.name, fontsize=style.TEXT)
        pair[0].set_title(_describe(cases[i]), fontsize=style.TEXT, color=style.INK)
    keys = _keys(cases, target)
    figure.legend(handles=keys, loc="outside right center", fontsize=style.SMALL, frameon=False, labelspacing=1.0)
    return figure


def _draw_cut(axes: Axes, cut: Cut, overlay: Overlay | None, room: tuple[float, float]) -> None:
    """A slice in a panel of `room` millimetres."""
    box = (0.0, cut.size[0], 0.0, cut.size[1])
    how: dict[str, Any] = {"extent": box, "interpolation": "nearest", "aspect": "equal"}
    axes.imshow(cut.image, cmap="gray", vmin=cut.limits[0], vmax=cut.limits[1], **how)
    if overlay is not None and cut.attribution is not None:
        axes.imshow(overlay.shown(cut.attribution), cmap=overlay.colours, norm=overlay.norm, **how)
    axes.add_collection(LineCollection(outline(cut.predicted, box), colors=OUTLINE, lw=1.1))
    if cut.annotated is not None and cut.annotated.any():
        rows, columns = (n + 2 for n in cut.annotated.shape)
        across, up = cut.size[0] / (columns - 2), cut.size[1] / (rows - 2)
        x, y = (np.arange(columns) - 0.5) * across, cut.size[1] - (np.arange(rows) - 0.5) * up
        axes.contour(x, y, np.pad(cut.annotated, 1), [0.5], colors=ANNOTATED, linewidths=1.1, linestyles="dashed")
    limits = [_view(*of) for of in zip(cut.size, cut.centre, room, strict=True)]
    axes.set(xlim=limits[0], ylim=limits[1], xticks=[], yticks=[], facecolor="black")
    axes.spines[:].set_visible(False)
    write_directions(axes, cut.plane.letters)
    slice_number = f"slice {cut.index} of 0..{cut.last}"
    text = axes.text(0.02, 0.02, slice_number, transform=axes.transAxes, fontsize=style.TINY, color="white")
    text.set_path_effects([withStroke(linewidth=2, foreground="black")])


def _view(length: float, centre: float, room: float) -> tuple[float, float]:
    """Limits of an axis of `room` mm: the whole `length` in the middle, or as much of it as fits around `centre`."""
    middle = length / 2 if length <= room else min(max(centre, room / 2), length - room / 2)
    return middle - room / 2, middle + room / 2


def _describe(case: CaseSlices) -> str:
    """Title of a case."""
    of = case.standing
    dice = "unknown" if of.dice is None or math.isnan(of.dice) else f"{of.dice:.2f}"
    absent = "" if any(cut.predicted.any() for cut in case.cuts) else ", not predicted"
    return f"{mathtext(of.case)}{absent}\nnormality {of.normality:.3f} (rank {of.rank}), Dice {dice}"


def _keys(cases: Sequence[CaseSlices], target: str) -> list[Artist]:
    """Legend of what occurs."""
    name = style.readable(target)
    keys: list[Artist] = [Line2D([], [], color=OUTLINE, lw=1.5, label=f"prediction of\n{name}")]
    if any(cut.annotated is not None for case in cases for cut in case.cuts):
        keys.append(Line2D([], [], color=ANNOTATED, lw=1.5, linestyle="dashed", label=f"annotation of\n{name}"))
    if any(case.overlay is not None for case in cases):
        keys += [
            Patch(color=STRENGTHS(end), label=f"{sign} attribution,\nstrongest {TOP_FRACTION:.0%} of a scan")
            for sign, end in (("positive", 1.0), ("negative", 0.0))
        ]
    return keys
