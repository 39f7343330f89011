from __future__ import annotations

import math
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from agg2exp.domain.errors import SettingError
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.figures.anatomy import Anatomy
from agg2exp.figures.graph import graph_of
from agg2exp.figures.importance_graph import draw_graph, importance_graph
from agg2exp.figures.layouts import ring
from tests.helpers.anatomies import grouped

COLOURS = {"vessels": "#d62728", "bones": "#1f77b4", "other": "#8c8c8c", "pathologies": "#111111"}


def anatomy_of(n: int) -> Anatomy:
    classes = ("background", *(f"lung_middle_lobe_{i}" for i in range(1, n)))
    groups = ("other", *(("vessels", "bones", "other")[i % 3] for i in range(1, n)))
    return grouped(classes, groups, COLOURS)


def importance_of(anatomy: Anatomy, mean: np.ndarray, kind: Kind = Kind.IMPORTANCE) -> GlobalImportance:
    count = np.where(np.isfinite(mean), 8, 0)
    zero = np.zeros_like(mean)
    sources = (*anatomy.classes, "consolidation", "effusion")[: mean.shape[1]]
    return GlobalImportance(kind, anatomy.classes[: len(mean)], sources, mean, count, zero, zero, zero)


def random_mean(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mean = rng.dirichlet(np.full(columns, 0.3), rows).round(2)  # rounded: ties and zeros occur
    mean[:, 0] += 0.3
    return mean / mean.sum(axis=1, keepdims=True)


def slow_edges(importance: GlobalImportance, top: int) -> list[tuple[str, str, float]]:
    """Pick the largest entry again and again, the first of equals."""
    edges = []
    for i, target in enumerate(importance.targets):
        left = {j: importance.mean[i, j] for j, source in enumerate(importance.sources) if source != target}
        for _ in range(top):
            best = None
            for j, value in left.items():
                if value > 0 and (best is None or value > left[best]):
                    best = j
            if best is not None:
                edges.append((importance.sources[best], target, float(left.pop(best))))
    return edges


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("top", [1, 3, 50])
def test_edges_equal_the_slow_version(seed, top):
    anatomy, mean = anatomy_of(6), random_mean(6, 8, seed)
    mean[seed % 6, :] = np.nan
    mean[(seed + 1) % 6, 7] = np.nan
    importance = importance_of(anatomy, mean)
    graph = graph_of(importance, anatomy, top)
    assert set(graph.edges.data("weight")) == set(slow_edges(importance, top))
    assert list(graph.nodes) == list(importance.sources)


def test_of_equal_sources_the_first_wins():
    names = ("trachea", "heart", "aorta", "sternum")  # neither in the order of the alphabet nor against it
    anatomy = grouped(names, ("other",) * 4, COLOURS)
    mean = np.array([[0.4, 0.2, 0.2, 0.2], [0.25, 0.25, 0.25, 0.25], [0, 0, 1, 0], [0.1, 0.3, 0.3, 0.3]])
    graph = graph_of(importance_of(anatomy, mean), anatomy, top=2)
    background, a, b, c = anatomy.classes
    assert list(graph.predecessors(background)) == [a, b]
    assert list(graph.predecessors(a)) == [background, b]
    assert list(graph.predecessors(b)) == []
    assert list(graph.predecessors(c)) == [a, b]


def test_nodes_carry_group_colour_and_self_importance():
    anatomy, mean = anatomy_of(4), random_mean(3, 6)  # the last class is not explained
    mean[1, :] = np.nan
    nodes = graph_of(importance_of(anatomy, mean), anatomy).nodes
    assert nodes["effusion"]["group"] == "pathologies"
    assert nodes["effusion"]["colour"] == "#111111"
    assert nodes["lung_middle_lobe_1"]["group"] == "bones"
    assert nodes["lung_middle_lobe_2"]["self_importance"] == mean[2, 2]
    for name in ("lung_middle_lobe_1", "lung_middle_lobe_3", "effusion"):
        assert "self_importance" not in nodes[name]


def test_the_picture_has_one_arrow_per_edge_in_the_colour_of_its_source():
    anatomy, mean = anatomy_of(6), random_mean(6, 8)
    importance = importance_of(anatomy, mean)
    graph = graph_of(importance, anatomy, 2)
    arrows = [p for p in importance_graph(importance, anatomy, 2).axes[0].patches if isinstance(p, FancyArrowPatch)]
    by_weight = sorted(graph.edges.data("weight"), key=lambda edge: -edge[2])
    assert [to_hex(a.get_facecolor()) for a in arrows] == [graph.nodes[b]["colour"] for b, _, _ in by_weight]


def test_node_area_grows_with_self_importance_and_is_hollow_without():
    anatomy = anatomy_of(3)
    mean = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [np.nan] * 3])
    axes = importance_graph(importance_of(anatomy, mean), anatomy).axes[0]
    discs = [c for c in axes.collections if isinstance(c, PathCollection)]
    areas = [float(c.get_sizes()[0]) for c in discs]
    assert areas[0] > areas[1] > areas[2]
    assert (areas[0] - areas[2]) / (areas[1] - areas[2]) == pytest.approx(0.8 / 0.3)
    assert [to_hex(c.get_facecolor()[0]) for c in discs] == ["#8c8c8c", "#1f77b4", "#ffffff"]


def test_the_ring_starts_with_background_and_keeps_groups_together():
    anatomy = anatomy_of(8)
    graph = graph_of(importance_of(anatomy, random_mean(8, 10)), anatomy)
    places = ring(list(graph), anatomy)
    names = list(places)
    groups = [graph.nodes[n]["group"] for n in names[1:]]
    assert names[0] == "background"
    assert groups == sorted(groups, key=list(COLOURS).index)
    np.testing.assert_allclose(places["background"], [0, 1], atol=1e-12)
    np.testing.assert_allclose([np.hypot(*p) for p in places.values()], 1)


@pytest.mark.parametrize("n", [2, 3, 17, 30])
def test_names_overlap_neither_names_nor_nodes_nor_edges_and_nothing_is_cut_off(n):
    anatomy, mean = anatomy_of(n), random_mean(n, n + 2, seed=n)
    figure = importance_graph(importance_of(anatomy, mean), anatomy)
    figure.canvas.draw()
    axes = figure.axes[0]
    outer = [*figure.legends, figure._suptitle, figure._supxlabel, axes.title]
    boxes = [a.get_tightbbox() for a in outer]
    if n <= 22:  # beyond, names are turned: their boxes overlap though the names do not
        boxes += [t.get_window_extent() for t in axes.texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    for box in [*boxes, *(t.get_window_extent() for t in axes.texts)]:
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    assert len(axes.texts) == n + 2

    to_ring = axes.transData.inverted()
    for arrow in (p for p in axes.patches if isinstance(p, FancyArrowPatch)):
        reach = np.hypot(*to_ring.transform(arrow.get_transform().transform_path(arrow.get_path()).vertices).T)
        assert reach.max() < 1.03
    discs = [c for c in axes.collections if isinstance(c, PathCollection)]
    for text, disc in zip(axes.texts, discs, strict=True):
        centre = axes.transData.transform(text.xy)
        near = axes.transData.transform(text.xy) + np.array(text.get_position()) * figure.dpi / 72
        assert np.hypot(*(near - centre)) > math.sqrt(disc.get_sizes()[0]) / 2 * figure.dpi / 72
        assert np.hypot(*to_ring.transform(near)) > 1.03


def test_wide_edges_between_neighbours_of_a_crowded_ring_can_be_drawn():
    n = 60
    anatomy = anatomy_of(n)
    mean = np.eye(n) * 0.05 + np.roll(np.eye(n), 1, axis=1) * 0.95
    importance_graph(importance_of(anatomy, mean), anatomy).canvas.draw()


@pytest.mark.parametrize("top", [0, -1, 1.5])
def test_top_must_be_a_positive_whole_number(top):
    anatomy = anatomy_of(3)
    with pytest.raises(SettingError, match="top: expected a whole number of at least 1"):
        graph_of(importance_of(anatomy, random_mean(3, 3)), anatomy, top)


def test_a_kind_that_is_no_share_is_refused():
    anatomy = anatomy_of(3)
    with pytest.raises(SettingError, match="kind"):
        graph_of(importance_of(anatomy, random_mean(3, 3), Kind.SIGNED_SUM), anatomy)


def test_a_matrix_without_any_value_still_gives_a_picture():
    anatomy = anatomy_of(3)
    figure = importance_graph(importance_of(anatomy, np.full((3, 3), np.nan)), anatomy)
    figure.canvas.draw()
    assert not [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert "n = 0 cases" in figure.axes[0].get_title()


def test_without_top_every_positive_entry_is_an_edge():
    anatomy, mean = anatomy_of(5), random_mean(5, 7)
    graph = graph_of(importance_of(anatomy, mean), anatomy)
    assert graph.number_of_edges() == (mean > 0).sum() - (np.diag(mean) > 0).sum()


@pytest.mark.parametrize("seed", range(5))
def test_only_chosen_edges_are_shown_the_strongest_of_them(seed):
    anatomy, mean = anatomy_of(6), random_mean(6, 8, seed)
    importance = importance_of(anatomy, mean)
    rng = np.random.default_rng(seed)
    shown = {(b, a) for b in importance.sources for a in importance.targets if rng.random() < 0.3}
    kept = np.array(
        [
            [mean[k, r] * ((b, a) in shown) for r, b in enumerate(importance.sources)]
            for k, a in enumerate(importance.targets)
        ]
    )
    expected = set(slow_edges(importance_of(anatomy, kept), 2))
    assert set(graph_of(importance, anatomy, 2, shown=shown).edges.data("weight")) == expected
    figure = importance_graph(importance, anatomy, 2, shown=shown)
    assert len([p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]) == len(expected)
    assert "distance does not explain" in figure.axes[0].get_title()


def test_no_edge_shown_is_a_picture_too():
    anatomy = anatomy_of(4)
    axes = importance_graph(importance_of(anatomy, random_mean(4, 6)), anatomy, shown=set()).axes[0]
    assert not [p for p in axes.patches if isinstance(p, FancyArrowPatch)]


@pytest.mark.parametrize("edge", [("spleen", "background"), ("background", "effusion")])
def test_an_edge_between_unknown_regions_is_refused(edge):
    anatomy = anatomy_of(3)
    with pytest.raises(
        SettingError,
        match=rf"shown: expected one of 'background', .* got '{'spleen' if 'spleen' in edge else 'effusion'}'",
    ):
        graph_of(importance_of(anatomy, random_mean(3, 5)), anatomy, shown={edge})


def test_graphml_read_back_has_the_numbers(tmp_path):
    anatomy, mean = anatomy_of(4), random_mean(4, 6)
    mean[2], mean[1, 5] = np.nan, np.nan
    rng = np.random.default_rng(1)
    low, high, count = mean * 0.9, mean * 1.1, rng.integers(1, 30, mean.shape)
    low[1], high[1] = np.nan, np.nan
    sources = (*anatomy.classes, "consolidation", "effusion")
    importance = GlobalImportance(Kind.POSITIVE, anatomy.classes, sources, mean, count, low, low, high)
    p_values = {(sources[4], sources[0]): 0.25, (sources[0], sources[1]): 0.001}
    nx.write_graphml(graph_of(importance, anatomy, p_values=p_values), tmp_path / "graph.graphml")
    assert "nan" not in (tmp_path / "graph.graphml").read_text().lower()
    graph = nx.read_graphml(tmp_path / "graph.graphml")
    assert graph.graph["kind"] == "importance_positive"
    assert graph.is_directed()
    assert list(graph.nodes) == list(sources)
    assert graph.nodes["effusion"] == {"group": "pathologies", "colour": "#111111"}
    for k, target in enumerate(anatomy.classes):
        known = not math.isnan(mean[k, k])
        assert graph.nodes[target].get("self_importance") == (mean[k, k] if known else None)
        for r, source in enumerate(sources):
            if r == k or not mean[k, r] > 0:
                assert not graph.has_edge(source, target)
                continue
            expected = {"weight": mean[k, r], "count": count[k, r]}
            if k != 1:
                expected |= {"ci_low": low[k, r], "ci_high": high[k, r]}
            if (source, target) in p_values:
                expected["p_value"] = p_values[source, target]
            assert graph.edges[source, target] == expected


def test_the_anatomical_picture_has_the_same_edges_and_nodes_and_nothing_is_cut_off():
    classes = {
        "background": (),
        "heart": ("heart",),
        "lung_upper_lobe_left": ("lung_upper_lobe_left",),
        "lung_upper_lobe_right": ("lung_upper_lobe_right",),
        "vertebraes": ("vertebrae_T1",),
        "gland": ("unheard_of",),
    }
    anatomy = grouped(classes, ("other",) * 6, COLOURS)
    mean = random_mean(6, 8)
    mean[3] = np.nan
    importance = importance_of(anatomy, mean)
    figure = importance_graph(importance, anatomy, 2, layout="anatomical")
    figure.canvas.draw()
    axes = figure.axes[0]
    assert len([p for p in axes.patches if isinstance(p, FancyArrowPatch)]) == len(slow_edges(importance, 2))
    names = [" ".join(t.get_text().split()) for t in axes.texts]
    assert names == [source.replace("_", " ") for source in importance.sources]
    boxes = [t.get_window_extent() for t in axes.texts]
    outer = [a.get_tightbbox() for a in (*figure.legends, figure._suptitle, figure._supxlabel, axes.title)]
    assert not any(a.overlaps(b) for a, b in combinations(boxes + outer, 2))
    for box in boxes + outer:
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


THORAX = {
    "background": "other", "heart": "vessels", "aorta": "vessels", "pulmonary_vein": "vessels", "sternum": "bones",
    "vertebrae_T1": "bones", "rib_left_1": "bones", "costal_cartilages": "bones", "trachea": "other",
    "thyroid_gland": "other", "autochthon_left": "other", "autochthon_right": "other", "lung_upper_lobe_left": "other",
    "lung_lower_lobe_left": "other", "lung_upper_lobe_right": "other", "lung_middle_lobe_right": "other",
    "lung_lower_lobe_right": "other",
}  # fmt: skip


@pytest.mark.parametrize("layout", ["anatomical", "circular"])
@pytest.mark.parametrize(("top", "extra"), [(3, 0), (3, 2), (6, 0)])
@pytest.mark.parametrize("seed", range(3))
def test_no_name_covers_an_arrowhead(layout, top, extra, seed):
    anatomy = grouped(tuple(THORAX), tuple(THORAX.values()), COLOURS)
    importance = importance_of(anatomy, random_mean(17, 17 + extra, seed))
    figure = importance_graph(importance, anatomy, top, layout=layout)
    figure.canvas.draw()
    axes = figure.axes[0]
    at = dict(zip(importance.sources, [c.get_offsets()[0] for c in axes.collections], strict=True))
    edges = sorted(graph_of(importance, anatomy, top).edges.data("weight"), key=lambda edge: -edge[2])
    arrows = [p for p in axes.patches if isinstance(p, FancyArrowPatch)]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == len(at) and len(arrows) == len(edges)
    for arrow, (_, target, _) in zip(arrows, edges, strict=True):
        outline = arrow.get_transform().transform_path(arrow.get_path()).vertices
        away = np.hypot(*(outline - axes.transData.transform(at[target])).T)
        head = outline[away < away.min() + 6 * figure.dpi / 72]  # the tip and what is within 6 points of it
        assert len(head)
        for box in boxes:
            assert not any(box.contains(x, y) for x, y in head)


def test_a_name_stands_where_fewer_edges_are():
    classes = ("background", "heart", "thyroid_gland")
    anatomy = grouped(classes, ("other",) * 3, COLOURS)
    mean = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]])
    texts = importance_graph(importance_of(anatomy, mean), anatomy, layout="anatomical").axes[0].texts
    below = {t.get_text().replace("\n", " "): np.sign(t.get_position()[1]) for t in texts}
    assert below == {"background": -1, "heart": 0, "thyroid gland": 1}  # from the bottom to the top, heads at both ends


def test_draw_graph_returns_what_it_draws():
    anatomy = anatomy_of(5)
    importance = importance_of(anatomy, random_mean(5, 6))
    axes = importance_graph(importance, anatomy).figure.add_subplot()
    drawn = draw_graph(axes, importance, anatomy, 1)
    assert set(drawn.edges.data("weight")) == set(slow_edges(importance, 1))


def test_an_unknown_layout_is_refused():
    anatomy = anatomy_of(3)
    with pytest.raises(SettingError, match="layout: expected one of 'circular', 'anatomical', got 'spiral'"):
        importance_graph(importance_of(anatomy, random_mean(3, 3)), anatomy, layout="spiral")
