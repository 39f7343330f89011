from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from agg2exp.domain.errors import SettingError
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.change import COLOURS, change_map
from agg2exp.figures.matrix import EMPTY_ENTRY, EMPTY_ROW
from tests.helpers.anatomies import grouped

NAMES = ("hospital A", "hospital B")
PALETTE = {"vessels": "#d62728", "other": "#8c8c8c", "pathologies": "#111111"}


def anatomy_of(n: int, stem: str = "lobe") -> Anatomy:
    classes = ("background", *(f"{stem}_{i}" for i in range(1, n)))
    return grouped(classes, ("other",) * n, PALETTE)


def table_of(anatomy: Anatomy, difference: np.ndarray, p: np.ndarray, extra: tuple[str, ...] = ()) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([anatomy.classes, anatomy.classes + extra], names=["target", "source"])
    columns = {"difference": difference.ravel(), "p_adjusted": p.ravel(), "count_first": 32, "count_second": 21}
    return pd.DataFrame(columns, index=index).reset_index()


def squares(figure) -> dict[tuple[int, int], Rectangle]:
    found = [p for p in figure.axes[0].patches if isinstance(p, Rectangle) and not p.get_hatch()]
    return {(int(p.get_y() + p.get_height() / 2), int(p.get_x() + p.get_width() / 2)): p for p in found}


@pytest.mark.parametrize("seed", range(4))
def test_significant_entries_fill_their_cell_and_say_by_how_much_others_are_small(seed):
    rng = np.random.default_rng(seed)
    anatomy, shape = anatomy_of(5), (5, 6)
    difference, p = rng.normal(0, 0.05, shape), rng.random(shape)
    p[0, 0], p[0, 1], p[1, 1], difference[2, 2] = 0.2, 0.2000001, np.nan, np.nan
    figure = change_map(table_of(anatomy, difference, p, ("nodule",)), anatomy, NAMES, alpha=0.2)
    drawn = squares(figure)
    texts = {(int(t.xy[1]), int(t.xy[0])): t.get_text() for t in figure.axes[0].texts}
    known = np.isfinite(difference)
    significant = {tuple(map(int, at)) for at in np.argwhere(known & (p <= 0.2))}
    assert set(drawn) == {tuple(map(int, at)) for at in np.argwhere(known)}
    assert {at for at, square in drawn.items() if square.get_width() == 1} == significant == set(texts)
    assert (0, 0) in significant
    assert (0, 1) not in significant
    assert {at for at, square in drawn.items() if square.get_facecolor()[3] == 0} == {(1, 1)}  # hollow: not tested
    largest = np.nanmax(np.abs(difference))
    for at, square in drawn.items():
        root = np.sign(difference[at]) * np.sqrt(abs(difference[at]) / largest)
        colour = square.get_edgecolor() if at == (1, 1) else square.get_facecolor()
        np.testing.assert_allclose(to_rgb(colour), COLOURS((1 + root) / 2)[:3], atol=0.02)
    for at, text in texts.items():
        points = 100 * difference[at]
        assert text[0] == ("+" if points > 0 else "−")
        assert abs(float(text[1:] or 0) - abs(points)) <= (0.5 if abs(points) >= 9.95 else 0.05) + 1e-9


def test_alpha_names_and_counts_are_told():
    anatomy = anatomy_of(3)
    figure = change_map(table_of(anatomy, np.ones((3, 3)) / 10, np.ones((3, 3)) * 0.01), anatomy, NAMES, 0.01)
    assert figure.axes[0].get_title() == "hospital B (n = 21) minus hospital A (n = 32)"
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert any("p ≤ 0.01" in label for label in labels)
    assert "not significant" not in labels
    assert [t.get_text() for t in figure.axes[1].get_yticklabels()] == ["−10", "−2.5", "0", "+2.5", "+10"]


def test_without_any_difference_the_picture_is_white():
    anatomy = anatomy_of(3)
    drawn = squares(change_map(table_of(anatomy, np.zeros((3, 3)), np.ones((3, 3))), anatomy, NAMES))
    assert all(min(s.get_facecolor()) > 0.95 for s in drawn.values())


def test_what_one_data_set_lacks_is_hatched():
    anatomy = anatomy_of(3)
    difference = np.full((3, 4), 0.1)
    difference[1], difference[2, 3] = np.nan, np.nan
    figure = change_map(table_of(anatomy, difference, np.full((3, 4), np.nan), ("nodule",)), anatomy, NAMES)
    hatched = {(p.get_y(), p.get_x(), p.get_hatch()) for p in figure.axes[0].patches if p.get_hatch()}
    assert hatched == {(1, 0, EMPTY_ROW), (2, 3, EMPTY_ENTRY)}


def test_what_cannot_be_drawn_is_refused():
    anatomy = anatomy_of(3)
    table = table_of(anatomy, np.zeros((3, 3)), np.ones((3, 3)))
    with pytest.raises(SettingError, match="alpha: expected a number of at least 0 and at most 1, got 5"):
        change_map(table, anatomy, NAMES, 5)
    with pytest.raises(SettingError, match="table: expected a row for each target and source"):
        change_map(table.iloc[:0], anatomy, NAMES)


@pytest.mark.parametrize("n", [3, 17])
def test_nothing_is_cut_off_and_nothing_collides(n):
    rng = np.random.default_rng(n)
    anatomy, extra = anatomy_of(n, "a_rather_long_name_of_a_class"), ("consolidation", "effusion", "nodule")
    difference, p = rng.normal(0, 0.1, (n, n + 3)), rng.random((n, n + 3))
    difference[1] = np.nan
    figure = change_map(table_of(anatomy, difference, p, extra), anatomy, NAMES, 0.5)
    figure.canvas.draw()
    parts = [*figure.axes, *figure.legends, figure._supxlabel]
    for artist in (*parts, figure._suptitle):
        box = artist.get_tightbbox()
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    assert not any(a.get_tightbbox().overlaps(b.get_tightbbox()) for a, b in combinations(parts, 2))
    cell = figure.axes[0].bbox.width / (n + 3)
    assert all(t.get_window_extent().width < cell for t in figure.axes[0].texts)
