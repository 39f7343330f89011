from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch

from agg2exp.analysis.context import box_outliers, box_summary
from agg2exp.analysis.importances import Importances
from agg2exp.domain.errors import SettingError
from agg2exp.domain.roi_importance import Kind
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.distributions import distributions
from tests.helpers.anatomies import grouped

COLOURS = {"vessels": "#d62728", "bones": "#1f77b4", "other": "#8c8c8c", "pathologies": "#111111"}
EXTRA = ("pleural_effusion_both", "consolidation", "nodule")


def anatomy_of(n: int, stem: str = "lung_middle_lobe") -> Anatomy:
    classes = ("background", *(f"{stem}_{i}" for i in range(1, n)))
    groups = ("other", *(("vessels", "bones", "other")[i % 3] for i in range(1, n)))
    return grouped(classes, groups, COLOURS)


def importances_of(anatomy: Anatomy, n: int, extra: tuple[str, ...] = EXTRA, seed: int = 0) -> Importances:
    """Shares with a long tail, so that there are outliers."""
    sources = anatomy.classes + extra
    values = np.random.default_rng(seed).dirichlet(np.full(len(sources), 0.4), (n, len(anatomy.classes)))
    cases = tuple(f"s{i:04d}" for i in range(n))
    return Importances(Kind.IMPORTANCE, cases, anatomy.classes, sources, anatomy.classes, values)


def picture(data: Importances, target: str, anatomy: Anatomy):
    return distributions(box_summary(data), box_outliers(data), target, anatomy)


def boxes_in(axes) -> dict[int, tuple[float, float, str]]:
    """Left and right end and colour of each box, by the row it stands in."""
    found = {}
    for patch in (p for p in axes.patches if isinstance(p, PathPatch)):
        x, y = patch.get_path().vertices[:4].T
        found[round(y.mean())] = (x.min(), x.max(), to_hex(patch.get_facecolor()))
    return found


def medians_in(axes) -> dict[int, float]:
    thick = [line for line in axes.lines if line.get_path_effects()]
    return {round(np.mean(line.get_ydata())): line.get_xdata()[0] for line in thick}


def markers_in(axes, size: float) -> list[tuple[float, int, str]]:
    return [
        (float(x), int(y), to_hex(colour))
        for dots in axes.collections
        if isinstance(dots, PathCollection) and dots.get_sizes()[0] == size
        for (x, y), colour in zip(dots.get_offsets(), dots.get_facecolors(), strict=True)
    ]


def dots_in(axes):
    return markers_in(axes, 9)


@pytest.mark.parametrize("seed", range(4))
def test_boxes_medians_and_dots_are_those_of_the_cases(seed):
    anatomy = anatomy_of(5)
    data = importances_of(anatomy, 60, seed=seed)
    data.values[::3, :, 5] = np.nan
    target = anatomy.classes[seed]
    axes = picture(data, target, anatomy).axes[0]
    x = data.values[:, seed]
    order = np.argsort(-np.nanmedian(x, axis=0))
    boxes, medians, dots = boxes_in(axes), medians_in(axes), dots_in(axes)
    assert len(boxes) == len(medians) == 8
    expected = []
    for row, source in enumerate(order):
        values = x[np.isfinite(x[:, source]), source]
        q1, median, q3 = np.percentile(values, [25, 50, 75])
        colour = anatomy.colour(data.sources[source])
        assert boxes[row][:2] == pytest.approx((q1, q3))
        assert boxes[row][2] == colour
        assert medians[row] == pytest.approx(median)
        beyond = [v for v in values if v > q3 + 1.5 * (q3 - q1) or v < q1 - 1.5 * (q3 - q1)]
        expected += [(v, row, colour) for v in beyond]
    assert len(expected) > 3
    assert sorted(dots) == sorted(expected)


def test_names_are_in_the_order_of_the_medians_and_the_target_is_bold():
    anatomy = anatomy_of(4)
    data = importances_of(anatomy, 30, ("nodule",))
    labels = picture(data, "lung_middle_lobe_2", anatomy).axes[0].get_yticklabels()
    median = np.median(data.values[:, 2], axis=0)
    assert [t.get_text() for t in labels] == [data.sources[i].replace("_", " ") for i in np.argsort(-median)]
    assert [t.get_text() for t in labels if t.get_fontweight() == "bold"] == ["lung middle lobe 2"]


def test_the_first_row_is_at_the_top_and_the_scale_is_the_root_from_0_to_1():
    anatomy = anatomy_of(4)
    axes = picture(importances_of(anatomy, 30), "background", anatomy).axes[0]
    bottom, top = axes.get_ylim()
    assert bottom > top
    assert axes.get_xlim()[1] == 1
    assert -0.01 < axes.get_xlim()[0] < 0
    at = [axes.transData.transform((x, 0))[0] for x in (0, 0.01, 0.04, 0.25, 1)]
    steps = (np.array(at) - at[0]) / (at[-1] - at[0])
    assert steps == pytest.approx([0, 0.1, 0.2, 0.5, 1])
    assert "square-root scale" in axes.get_xlabel()


def test_counts_are_given_where_they_differ():
    anatomy = anatomy_of(4)
    data = importances_of(anatomy, 30, ("nodule", "effusion", "tube"))
    data.values[:25, :, 4] = np.nan
    data.values[:, :, 5] = np.nan
    data.values[0] = np.nan
    axes = picture(data, "background", anatomy).axes[0]
    rows = [t.get_text() for t in axes.get_yticklabels()]
    notes = {rows[int(t.xy[1])]: t.get_text() for t in axes.texts}
    assert notes == {"nodule": "n = 5", "effusion": "no value"}
    assert rows[-1] == "effusion"
    assert "n = 29 cases unless given at the right" in axes.get_title()
    assert len(boxes_in(axes)) == 6


def test_the_same_count_everywhere_is_given_once():
    anatomy = anatomy_of(4)
    data = importances_of(anatomy, 30)
    data.values[:3] = np.nan
    axes = picture(data, "background", anatomy).axes[0]
    assert not axes.texts
    assert axes.get_title().endswith("n = 27 cases")


def test_one_case_is_a_diamond_per_source():
    anatomy = anatomy_of(4)
    data = importances_of(anatomy, 1)
    axes = picture(data, "background", anatomy).axes[0]
    values = sorted(data.values[0, 0], reverse=True)
    diamonds = markers_in(axes, 26)
    assert [d[0] for d in diamonds] == pytest.approx(values)
    assert [d[1] for d in diamonds] == list(range(7))
    assert {d[2] for d in diamonds} == {*COLOURS.values()}
    assert not dots_in(axes)
    assert axes.get_title().endswith("n = 1 case")


def test_a_class_that_was_never_predicted_has_no_boxes():
    anatomy = anatomy_of(4)
    data = importances_of(anatomy, 10)
    data.values[:, 2] = np.nan
    axes = picture(data, anatomy.classes[2], anatomy).axes[0]
    assert [t.get_text() for t in axes.texts] == ["no value"] * 7
    assert not boxes_in(axes)
    assert not dots_in(axes)
    assert axes.get_title().endswith("n = 0 cases")


def test_an_unknown_target_is_refused():
    anatomy = anatomy_of(3)
    with pytest.raises(SettingError, match=r"target: expected one of 'background', .* got 'spleen'"):
        picture(importances_of(anatomy, 5), "spleen", anatomy)


def test_the_legend_names_the_groups_that_occur():
    anatomy = anatomy_of(3)
    figure = picture(importances_of(anatomy, 5, ()), "background", anatomy)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["bones", "other"]
    assert [to_hex(p.get_facecolor()) for p in figure.legends[0].get_patches()] == ["#1f77b4", "#8c8c8c"]


@pytest.mark.parametrize(("n", "extra"), [(2, ()), (17, EXTRA), (30, ())])
def test_nothing_is_cut_off_and_names_do_not_collide(n, extra):
    anatomy = anatomy_of(n, "a_long_name_of_some_class")
    data = importances_of(anatomy, 12, extra)
    data.values[:5, :, -1] = np.nan
    figure = picture(data, anatomy.classes[1], anatomy)
    figure.canvas.draw()
    axes = figure.axes[0]
    parts = [axes, *figure.legends, figure._supxlabel]
    for artist in (*parts, figure._suptitle):
        box = artist.get_tightbbox()
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    assert not any(a.get_tightbbox().overlaps(b.get_tightbbox()) for a, b in combinations(parts, 2))
    for names in (axes.get_yticklabels(), axes.get_xticklabels()):
        assert not any(a.get_window_extent().overlaps(b.get_window_extent()) for a, b in combinations(names, 2))
    assert axes.bbox.width > 0.35 * figure.bbox.width
