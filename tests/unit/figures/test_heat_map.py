from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from agg2exp.domain.errors import SettingError
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.figures import style
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.heat_map import draw_heat_map, heat_map
from agg2exp.figures.matrix import EMPTY_ENTRY, EMPTY_ROW
from tests.helpers.anatomies import grouped

COLOURS = {"vessels": "#d62728", "bones": "#1f77b4", "other": "#8c8c8c", "pathologies": "#111111"}


def anatomy_of(n: int, stem: str = "lung_middle_lobe") -> Anatomy:
    classes = ("background", *(f"{stem}_{i}" for i in range(1, n)))
    groups = ("other", *(("vessels", "bones", "other")[i % 3] for i in range(1, n)))
    return grouped(classes, groups, COLOURS)


def importance_of(anatomy: Anatomy, mean: np.ndarray, extra: tuple[str, ...] = ("effusion",)) -> GlobalImportance:
    count = np.where(np.isfinite(mean), 8, 0)
    zero = np.zeros_like(mean)
    sources = anatomy.classes + extra
    return GlobalImportance(Kind.IMPORTANCE, anatomy.classes, sources, mean, count, zero, zero, zero)


def random_mean(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(columns, 0.3), rows)


def hatched(figure):
    axes = figure.axes[0]
    return {(p.get_x(), p.get_y(), p.get_width(), p.get_hatch()) for p in axes.patches if p.get_hatch()}


@pytest.mark.parametrize("seed", range(3))
def test_cells_show_percent_from_one_percent_on(seed):
    anatomy, mean = anatomy_of(6), random_mean(6, 7, seed)
    mean[2, 3], mean[3, 2], mean[4, :] = 0.0099, 0.01, np.nan
    texts = heat_map(importance_of(anatomy, mean), anatomy).axes[0].texts
    shown = {(int(t.xy[1]), int(t.xy[0])): t.get_text() for t in texts}
    expected = {}
    for row in range(6):
        for column in range(7):
            if not math.isnan(mean[row, column]) and mean[row, column] >= 0.01:
                expected[row, column] = str(round(100 * mean[row, column]))
    assert shown == expected
    assert (2, 3) not in shown
    assert shown[3, 2] == "1"


def test_missing_values_are_hatched_rows_otherwise_than_entries():
    anatomy, mean = anatomy_of(4), random_mean(4, 5)
    mean[2, :] = np.nan
    mean[1, 4] = np.nan
    figure = heat_map(importance_of(anatomy, mean), anatomy)
    assert hatched(figure) == {(0, 2, 5, EMPTY_ROW), (4, 1, 1, EMPTY_ENTRY)}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any("not predicted" in label for label in labels)
    assert "no value" in labels


def test_without_missing_values_nothing_is_hatched():
    anatomy = anatomy_of(4)
    figure = heat_map(importance_of(anatomy, random_mean(4, 5)), anatomy)
    assert hatched(figure) == set()
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        "vessels",
        "bones",
        "other",
        "pathologies",
    ]


def test_self_importance_is_framed_where_it_has_a_value():
    anatomy, mean = anatomy_of(4), random_mean(4, 5)
    mean[2, :] = np.nan
    patches = heat_map(importance_of(anatomy, mean), anatomy).axes[0].patches
    frames = {(p.get_x(), p.get_y()) for p in patches if isinstance(p, Rectangle) and not p.get_hatch()}
    assert frames == {(0, 0), (1, 1), (3, 3)}


def test_axes_name_targets_sources_groups_and_counts():
    anatomy = anatomy_of(4)
    figure = heat_map(importance_of(anatomy, random_mean(4, 5), ("pleural_effusion",)), anatomy)
    axes, bar = figure.axes
    rows = ["background", *(f"lung middle lobe {i}" for i in (1, 2, 3))]
    assert [t.get_text() for t in axes.get_yticklabels()] == rows
    assert [t.get_text() for t in axes.get_xticklabels()] == [*rows, "pleural effusion"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("target: class explained", "source: region")
    assert "n = 8 cases" in axes.get_title()
    assert bar.get_ylabel() == "share of |attribution|"
    chips = [c for c in axes.collections if isinstance(c, PathCollection)]
    on_rows, on_columns = ([to_hex(colour) for colour in c.get_facecolors()] for c in chips)
    assert on_rows == ["#8c8c8c", "#1f77b4", "#8c8c8c", "#d62728"]
    assert on_columns == [*on_rows, "#111111"]


def test_row_zero_is_at_the_top_and_colours_are_those_of_the_matrix():
    anatomy, mean = anatomy_of(3), random_mean(3, 4)
    axes = heat_map(importance_of(anatomy, mean), anatomy).axes[0]
    assert axes.get_ylim() == (3, 0)
    np.testing.assert_array_equal(axes.collections[0].get_array(), mean)


@pytest.mark.parametrize(("n", "extra"), [(3, ("effusion",)), (17, ("consolidation", "pleural_effusion")), (22, ())])
def test_nothing_is_cut_off_and_names_do_not_collide(n, extra):
    anatomy, mean = anatomy_of(n, "a_rather_long_name_of_a_class"), random_mean(n, n + len(extra))
    mean[1, :] = np.nan
    figure = heat_map(importance_of(anatomy, mean, extra), anatomy)
    figure.canvas.draw()
    axes, bar = figure.axes
    for artist in (axes, bar, *figure.legends, figure._suptitle, figure._supxlabel):
        box = artist.get_tightbbox()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    others = [axes, bar, *figure.legends, figure._supxlabel]
    assert not any(a.get_tightbbox().overlaps(b.get_tightbbox()) for a, b in combinations(others, 2))
    rows = [t.get_window_extent() for t in axes.get_yticklabels()]
    assert not any(a.overlaps(b) for a, b in combinations(rows, 2))
    cell = axes.bbox.width / (n + len(extra))
    assert all(t.get_window_extent().width < cell for t in axes.texts)
    assert 0.8 < cell / (axes.bbox.height / n) < 1.25


def test_a_kind_that_is_no_share_is_refused():
    anatomy = anatomy_of(3)
    shares = importance_of(anatomy, random_mean(3, 4))
    volumes = GlobalImportance(Kind.VOLUME_MM3, *(vars(shares)[f] for f in list(vars(shares))[1:]))
    with pytest.raises(SettingError, match=r"kind: expected one of 'importance', .* got 'volume_mm3'"):
        heat_map(volumes, anatomy)


def test_bytes_are_the_same_twice(tmp_path):
    anatomy, mean = anatomy_of(3), random_mean(3, 4)
    for name in "ab":
        style.save(heat_map(importance_of(anatomy, mean), anatomy), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def of_kind(importance: GlobalImportance, kind: Kind) -> GlobalImportance:
    return GlobalImportance(kind, *(vars(importance)[f] for f in list(vars(importance))[1:]))


def test_enrichment_is_written_as_factors_on_a_scale_that_is_white_at_one():
    anatomy = anatomy_of(4)
    mean = np.array([[1.0, 2.0, 0.5, 0, 0.099], [0.1, 9.94, 9.96, 999, 1500], [64, 1e6, 1 / 64, 4, 0.25], [np.nan] * 5])
    figure = heat_map(of_kind(importance_of(anatomy, mean), Kind.ENRICHMENT_BODY), anatomy)
    axes, bar = figure.axes
    shown = {(int(t.xy[1]), int(t.xy[0])): t.get_text() for t in axes.texts}
    assert shown == {
        (0, 0): "1.0",
        (0, 1): "2.0",
        (0, 2): "0.5",
        (1, 0): "0.1",
        (1, 1): "9.9",
        (1, 2): "10",
        (1, 3): "999",
        (1, 4): "2k",
        (2, 0): "64",
        (2, 1): "1000k",
        (2, 3): "4.0",
        (2, 4): "0.2",
    }
    mesh = axes.collections[0]
    place = np.ma.filled(mesh.norm(mesh.get_array()), np.nan)
    expected = 0.5 + np.log2(np.clip(mean, 2.0**-6, 2.0**6)) / 12  # 0 is as far down as the scale goes
    np.testing.assert_allclose(place, expected, atol=1e-12)
    np.testing.assert_allclose(mesh.cmap(0.5)[:3], 1, atol=0.04)
    assert "share of the body" in bar.get_ylabel()
    assert [t.get_text() for t in bar.get_yticklabels()] == ["1/64", "1/16", "1/4", "1", "4", "16", "64"]


@pytest.mark.parametrize("kind", [Kind.POSITIVE, Kind.NEGATIVE, Kind.EXPECTED_BY_DISTANCE, Kind.ENRICHMENT_VOLUME])
def test_every_kind_is_named(kind):
    anatomy = anatomy_of(3)
    bar = heat_map(of_kind(importance_of(anatomy, random_mean(3, 4)), kind), anatomy).axes[1]
    words = {
        Kind.POSITIVE: "positive",
        Kind.NEGATIVE: "negative",
        Kind.EXPECTED_BY_DISTANCE: "distance",
        Kind.ENRICHMENT_VOLUME: "share of the volume",
    }
    assert words[kind] in bar.get_ylabel()


@pytest.mark.parametrize("kind", [Kind.IMPORTANCE, Kind.ENRICHMENT_BODY])
def test_clustered_order_moves_numbers_and_names_together(kind):
    anatomy, mean = anatomy_of(6), random_mean(6, 8)
    mean[1] = np.nan
    importance = of_kind(importance_of(anatomy, mean, ("effusion", "nodule")), kind)
    axes = heat_map(importance, anatomy, order="clustered").axes[0]
    rows, columns = (
        [t.get_text().replace(" ", "_") for t in ticks] for ticks in (axes.get_yticklabels(), axes.get_xticklabels())
    )
    assert rows[-1] == anatomy.classes[1]
    assert columns == [*rows, "effusion", "nodule"]
    drawn = np.ma.filled(axes.collections[0].get_array(), np.nan)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            np.testing.assert_equal(drawn[i, j], mean[anatomy.classes.index(row), importance.sources.index(column)])
    assert "similar rows side by side" in axes.get_title()


def test_an_unknown_order_is_refused():
    anatomy = anatomy_of(3)
    with pytest.raises(SettingError, match="order: expected one of 'labels', 'clustered', got 'size'"):
        heat_map(importance_of(anatomy, random_mean(3, 4)), anatomy, order="size")


def test_one_case_and_no_value_at_all_can_be_drawn():
    anatomy = anatomy_of(3)
    for order in ("labels", "clustered"):
        figure = heat_map(importance_of(anatomy, np.full((3, 4), np.nan)), anatomy, order=order)
        figure.canvas.draw()
        assert {hatch for *_, hatch in hatched(figure)} == {EMPTY_ROW}


def test_drawn_into_given_axes_there_is_neither_title_nor_colour_bar():
    anatomy, mean = anatomy_of(3), random_mean(3, 4)
    axes = style.new_figure(4, 4, "panels").add_subplot()
    mesh = draw_heat_map(axes, importance_of(anatomy, mean), anatomy)
    np.testing.assert_array_equal(mesh.get_array(), mean)
    assert not axes.get_title()
    assert axes.figure.axes == [axes]
