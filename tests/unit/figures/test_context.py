from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch

from agg2exp.domain.errors import DataError
from agg2exp.figures.context import LOOKS, context_plot
from agg2exp.figures.palette import OKABE_ITO


def table_of(data_sets: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
    """The table of `context`, from self-importances by data set and class."""
    rows = [
        (name, target, f"s{i:04d}", own, 1 - own)
        for name, classes in data_sets.items()
        for target, values in classes.items()
        for i, own in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["data_set", "target", "case", "self_importance", "context"])


def shares(seed: int, n: int = 40) -> dict[str, np.ndarray]:
    g = np.random.default_rng(seed)
    return {
        "heart": g.beta(2, 20, n),
        "aorta": g.beta(2, 60, n),
        "background": g.beta(9, 1, n),
        "ribs": g.beta(1, 9, n),
    }


def boxes_in(axes) -> list[tuple[float, float, float, str]]:
    """Height, left and right end and colour of each box, from the top."""
    found = []
    for patch in (p for p in axes.patches if isinstance(p, PathPatch)):
        x, y = patch.get_path().vertices[:4].T
        found.append((y.mean(), x.min(), x.max(), to_hex(patch.get_facecolor()).upper()))
    return sorted(found)


def names_in(axes) -> list[str]:
    return [t.get_text() for t in axes.get_yticklabels()]


def test_each_class_has_a_box_per_data_set_in_the_order_of_the_table():
    data = {"CT": shares(0), "after": shares(1, 25), "before": shares(2)}
    axes = context_plot(table_of(data)).axes[0]
    order = sorted(data["CT"], key=lambda c: np.median(data["CT"][c]))  # most context = least of its own
    assert names_in(axes) == order
    boxes = boxes_in(axes)
    assert len(boxes) == 12
    for row, target in enumerate(order):
        here = boxes[3 * row : 3 * row + 3]
        assert all(abs(y - row) < 0.5 for y, *_ in here)
        assert here[1][0] == pytest.approx(row)
        for (_, left, right, colour), name, expected in zip(here, data, OKABE_ITO, strict=False):
            assert (left, right) == pytest.approx(tuple(np.percentile(data[name][target], [25, 75])))
            assert colour == expected


def test_medians_and_dots_are_those_of_the_cases():
    data = shares(3, 200)
    axes = context_plot(table_of({"CT": data})).axes[0]
    medians = [line.get_xdata()[0] for line in axes.lines if line.get_path_effects()]
    assert sorted(medians) == pytest.approx(sorted(np.median(v) for v in data.values()))
    beyond = []
    for values in data.values():
        q1, q3 = np.percentile(values, [25, 75])
        beyond += [v for v in values if v > q3 + 1.5 * (q3 - q1) or v < q1 - 1.5 * (q3 - q1)]
    dots = [float(x) for c in axes.collections if isinstance(c, PathCollection) for x, _ in c.get_offsets()]
    assert len(beyond) > 3
    assert sorted(dots) == pytest.approx(sorted(beyond))


def test_context_is_read_at_the_top():
    figure = context_plot(table_of({"CT": shares(0)}))
    below, above = figure.axes
    figure.canvas.draw()
    own, rest = ([float(t.get_text().rstrip("%")) for t in a.get_xticklabels()] for a in (below, above))
    assert own == pytest.approx([100 - r for r in rest])
    assert above.get_xlim() == below.get_xlim()
    x = 0.3
    assert above.transData.transform((x, 0))[0] == pytest.approx(below.transData.transform((x, 0))[0])
    assert "context" in above.get_xlabel()
    assert "self-importance" in below.get_xlabel()


def test_classes_without_values_are_last_and_marked():
    first, second = shares(0), shares(1)
    first["aorta"][:] = np.nan
    first["ribs"][:7] = np.nan
    del second["heart"]
    second["airways"] = np.full(40, 0.02)
    axes = context_plot(table_of({"one": first, "other": second})).axes[0]
    names = names_in(axes)
    assert names[2:] == ["background", "aorta", "airways"]
    notes = sorted((names[round(t.xy[1])], t.xy[1] < round(t.xy[1]), t.get_text()) for t in axes.texts)
    assert notes == [
        ("airways", True, "no value"),
        ("aorta", True, "no value"),
        ("heart", False, "no value"),
        ("ribs", True, "n = 33"),
    ]
    assert len(boxes_in(axes)) == 7


def test_the_legend_names_data_sets_colours_and_cases():
    figure = context_plot(table_of({"CT": shares(0), "one": shares(1, 1)}))
    legend = figure.legends[0]
    assert [t.get_text() for t in legend.get_texts()] == ["CT (n = 40 cases)", "one (n = 1 case)"]
    assert [to_hex(p.get_facecolor()).upper() for p in legend.get_patches()] == list(OKABE_ITO[:2])


def test_one_case_is_a_diamond_per_class():
    data = shares(0, 1)
    axes = context_plot(table_of({"one": data})).axes[0]
    points = [(float(x), y) for c in axes.collections if isinstance(c, PathCollection) for x, y in c.get_offsets()]
    assert [x for x, _ in points] == pytest.approx(sorted(v[0] for v in data.values()))
    assert [y for _, y in points] == pytest.approx([0, 1, 2, 3])


def test_more_data_sets_than_can_be_told_apart_are_refused():
    assert len(set(LOOKS)) == len(LOOKS)
    table = table_of({f"d{i}": shares(i, 2) for i in range(len(LOOKS) + 1)})
    with pytest.raises(DataError, match=r"data sets: expected at most 14 in one picture, got 15"):
        context_plot(table)
    figure = context_plot(table[table["data_set"] != "d14"])
    assert {patch.get_hatch() for patch in figure.legends[0].get_patches()} == {None, "//////"}


@pytest.mark.parametrize("n_sets", [1, 2, 6])
@pytest.mark.parametrize("n_classes", [2, 17])
def test_nothing_is_cut_off_and_names_do_not_collide(n_sets, n_classes):
    g = np.random.default_rng(0)
    classes = [f"a_long_name_of_some_class{i}" for i in range(n_classes)]
    data = {f"a data set of some hospital {i}": {c: g.beta(1, 9, 8) for c in classes} for i in range(n_sets)}
    data["a data set of some hospital 0"][classes[0]][:3] = np.nan
    for name in data:
        data[name][classes[1]][:] = np.nan
    figure = context_plot(table_of(data))
    figure.canvas.draw()
    below, above = figure.axes
    parts = [below, *figure.legends, figure._supxlabel]
    for artist in (*parts, above, figure._suptitle):
        box = artist.get_tightbbox()
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    assert not any(a.get_tightbbox().overlaps(b.get_tightbbox()) for a, b in combinations(parts, 2))
    assert not above.title.get_window_extent().overlaps(above.xaxis.label.get_window_extent())
    for names in (below.get_yticklabels(), below.get_xticklabels(), above.get_xticklabels()):
        assert not any(a.get_window_extent().overlaps(b.get_window_extent()) for a, b in combinations(names, 2))
    heights = sorted(t.get_window_extent().y0 for t in below.texts)
    assert np.all(np.diff(heights) > 15)  # pixels at 150 dpi; 7 points are 14.6
