from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, PathPatch, Rectangle

from agg2exp.aggregation.global_importance import global_importance
from agg2exp.analysis.importances import Importances
from agg2exp.domain.errors import SettingError
from agg2exp.domain.roi_importance import Kind
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.summary import summary_picture
from tests.helpers.anatomies import grouped

COLOURS = {"vessels": "#d62728", "bones": "#1f77b4", "other": "#8c8c8c", "pathologies": "#111111"}
EXTRA = ("pleural_effusion_both", "consolidation", "nodule")


def anatomy_of(n: int, stem: str = "lung_middle_lobe") -> Anatomy:
    classes = ("background", *(f"{stem}_{i}" for i in range(1, n)))
    groups = ("other", *(("vessels", "bones", "other")[i % 3] for i in range(1, n)))
    return grouped(classes, groups, COLOURS)


def importances_of(anatomy: Anatomy, n: int = 20, extra: tuple[str, ...] = EXTRA, seed: int = 0) -> Importances:
    sources = anatomy.classes + extra
    values = np.random.default_rng(seed).dirichlet(np.full(len(sources), 0.7), (n, len(anatomy.classes)))
    cases = tuple(f"s{i:04d}" for i in range(n))
    return Importances(Kind.IMPORTANCE, cases, anatomy.classes, sources, anatomy.classes, values)


def picture(data: Importances, anatomy: Anatomy, target: str, case: str, classes: tuple[str, ...]):
    matrix = global_importance(data.to_frame(), data.kind, None, 20, 0)
    return summary_picture(data, matrix, anatomy, target=target, case=case, classes=classes)


def bars_in(axes) -> dict[int, tuple[float, str]]:
    return {
        round(bar.get_y() + bar.get_height() / 2): (bar.get_width(), to_hex(bar.get_facecolor()))
        for bar in axes.patches
        if isinstance(bar, Rectangle)
    }


def names_of(regions) -> list[str]:
    return [region.replace("_", " ") for region in regions]


def test_bars_are_those_of_the_case_in_the_order_of_the_medians():
    anatomy = anatomy_of(5)
    data = importances_of(anatomy)
    axes = picture(data, anatomy, anatomy.classes[2], "s0007", anatomy.classes[:3]).axes[0]
    order = np.argsort(-np.median(data.values[:, 2], axis=0))
    assert [t.get_text() for t in axes.get_yticklabels()] == names_of(data.sources[i] for i in order)
    bars = bars_in(axes)
    for row, source in enumerate(order):
        assert bars[row] == (pytest.approx(data.values[7, 2, source]), anatomy.colour(data.sources[source]))
    notes = {int(t.xy[1]): t.get_text() for t in axes.texts}
    assert min(length for length, _ in bars.values()) > 0
    assert notes == {r: f"{100 * length:.1f}%" if length >= 0.0005 else "<0.1%" for r, (length, _) in bars.items()}
    assert "s0007" in axes.get_title(loc="left")


def test_a_share_above_zero_is_not_written_as_zero():
    anatomy = anatomy_of(3)
    data = importances_of(anatomy, 1, ())
    data.values[0, 1] = 0.9996, 0.0004, 0.0
    axes = picture(data, anatomy, anatomy.classes[1], "s0000", anatomy.classes).axes[0]
    assert [t.get_text() for t in axes.texts] == ["100.0%", "<0.1%", "0.0%"]


def test_what_the_case_lacks_has_no_bar():
    anatomy = anatomy_of(4)
    data = importances_of(anatomy)
    data.values[3, :, -1] = np.nan
    axes = picture(data, anatomy, anatomy.classes[1], "s0003", anatomy.classes).axes[0]
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert [names[int(t.xy[1])] for t in axes.texts if t.get_text() == "no value"] == ["nodule"]
    assert len(bars_in(axes)) == 6
    data.values[3] = np.nan
    axes = picture(data, anatomy, anatomy.classes[1], "s0003", anatomy.classes).axes[0]
    assert [t.get_text() for t in axes.texts] == ["no value"] * 7
    assert not bars_in(axes)


def test_boxes_are_those_of_all_cases_in_the_rows_of_the_bars():
    anatomy = anatomy_of(4)
    data = importances_of(anatomy)
    bars, boxes = picture(data, anatomy, anatomy.classes[3], "s0000", anatomy.classes).axes[:2]
    order = np.argsort(-np.median(data.values[:, 3], axis=0))
    drawn = [p.get_path().vertices[:4] for p in boxes.patches if isinstance(p, PathPatch)]
    ends = {round(v[:, 1].mean()): (v[:, 0].min(), v[:, 0].max()) for v in drawn}
    for row, source in enumerate(order):
        assert ends[row] == pytest.approx(tuple(np.percentile(data.values[:, 3, source], [25, 75])))
    assert bars.get_ylim() == boxes.get_ylim()
    assert bars.get_xlim() == boxes.get_xlim()
    assert not any(t.get_text() for t in boxes.get_yticklabels())


def test_map_and_graph_show_the_means_among_the_chosen_classes():
    anatomy = anatomy_of(6)
    data = importances_of(anatomy)
    classes = (anatomy.classes[4], anatomy.classes[1], "nodule")
    _, _, heat, graph, *_ = picture(data, anatomy, anatomy.classes[2], "s0000", classes).axes
    assert [t.get_text() for t in heat.get_yticklabels()] == names_of(classes[:2])
    assert [t.get_text() for t in heat.get_xticklabels()] == names_of(classes)
    expected = data.values.mean(axis=0)[np.ix_([4, 1], [4, 1, data.sources.index("nodule")])]
    np.testing.assert_allclose(heat.collections[0].get_array(), expected)
    assert {*names_of(classes)} <= {t.get_text() for t in graph.texts}
    assert len([p for p in graph.patches if isinstance(p, FancyArrowPatch)]) == 4  # both others into each target


def test_the_legend_explains_groups_and_hatches():
    anatomy = anatomy_of(4)
    data = importances_of(anatomy)
    data.values[:, 2] = np.nan
    labels = [
        [t.get_text() for t in picture(data, anatomy, "background", "s0000", classes).legends[0].get_texts()]
        for classes in (anatomy.classes[:2], anatomy.classes)
    ]
    assert labels[0] == ["vessels", "bones", "other", "pathologies"]
    assert labels[1] == [*labels[0], "not predicted\n(or no attribution)"]


def test_what_is_not_there_is_refused():
    anatomy = anatomy_of(3)
    data = importances_of(anatomy)
    known = {"target": "background", "case": "s0000", "classes": anatomy.classes}
    for wrong, message in (
        ({"target": "spleen"}, r"target: expected one of 'background', .* got 'spleen'"),
        ({"case": "s9999"}, r"case: expected one of 20 cases, as 's0000', got 's9999'"),
        ({"classes": ("background", "spleen")}, r"classes: expected one of 'background', .* got 'spleen'"),
        ({"classes": ("nodule",)}, r"classes: expected at least one of \['background', .* got \['nodule'\]"),
    ):
        with pytest.raises(SettingError, match=message):
            picture(data, anatomy, **{**known, **wrong})


@pytest.mark.parametrize(("n", "extra", "chosen"), [(3, (), 2), (17, EXTRA, 6)])
def test_nothing_is_cut_off_and_panels_do_not_collide(n, extra, chosen):
    anatomy = anatomy_of(n, "a_long_name_of_some_class")
    data = importances_of(anatomy, 8, extra)
    data.values[:, 1] = np.nan
    data.values[:5, :, -1] = np.nan
    figure = picture(data, anatomy, anatomy.classes[2], "s0007", anatomy.classes[:chosen])
    figure.canvas.draw()
    parts = [*figure.axes, *figure.legends, figure._supxlabel, figure._suptitle]
    for artist in parts:
        box = artist.get_tightbbox()
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    assert not any(a.get_tightbbox().overlaps(b.get_tightbbox()) for a, b in combinations(parts, 2))
    bars = figure.axes[0]
    for names in (bars.get_yticklabels(), bars.get_xticklabels(), [t for t in figure.axes[3].texts if t.get_text()]):
        assert not any(a.get_window_extent().overlaps(b.get_window_extent()) for a, b in combinations(names, 2))
    assert all(axes.bbox.width > 0.2 * figure.bbox.width for axes in figure.axes[:3])
    assert figure.axes[3].bbox.height > 0.2 * figure.bbox.height
