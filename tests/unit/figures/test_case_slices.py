from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.contour import QuadContourSet

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import DataError, SettingError
from agg2exp.figures.case_slices import CaseSlices, Standing, case_slices
from agg2exp.figures.shown_scan import ShownScan

SHAPE = (12, 10, 8)
SPACING = (2.0, 3.0, 5.0)


def scan(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 800, SHAPE).astype(np.int16)


def shown(image: np.ndarray | None = None, spacing: tuple[float, ...] = SPACING) -> ShownScan:
    image = scan() if image is None else image
    return ShownScan.of(image[None], Grid(image.shape, np.diag([*spacing, 1.0])), [(-1024.0, 819.2)])


def box(*where: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[where] = True
    return mask


HEART = box(slice(2, 7), slice(3, 6), slice(4, 6))
HEART[3, 4, 5] = False  # slice 4 is the largest axial one
HEART[2, 3, 4] = False  # and 4 the largest coronal one but for that voxel


def of(case: str = "s0001", predicted: np.ndarray = HEART, dice: float | None = 0.8765, **more) -> CaseSlices:
    return CaseSlices.through(Standing(case, -0.0312, "1 of 32", dice), shown(), predicted, **more)


def test_slices_are_those_of_the_largest_area_seen_from_the_feet():
    axial, coronal = of().cuts
    assert [cut.plane.name for cut in (axial, coronal)] == ["axial", "coronal"]
    h = int(HEART.sum(axis=(0, 2)).argmax())
    assert (axial.index, axial.last, coronal.index, coronal.last) == (4, 7, h, 9)
    for row in range(SHAPE[1]):
        for column in range(SHAPE[0]):
            d, w = SHAPE[0] - 1 - column, SHAPE[1] - 1 - row  # right at the left, anterior at the top
            assert axial.image[row, column] == scan()[d, w, 4]
            assert axial.predicted[row, column] == HEART[d, w, 4]
    np.testing.assert_array_equal(coronal.image, scan()[::-1, h, ::-1].T)
    assert axial.size == (24, 30)
    assert coronal.size == (24, 40)


def test_a_case_holds_slices_and_not_the_scan():
    image, e = scan(), np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    case = CaseSlices.through(Standing("a", 0, "1 of 1", None), shown(image), HEART, attribution=e)
    for cut in case.cuts:
        for array in (cut.image, cut.predicted, cut.attribution):
            assert array.base is None or array.base.size < image.size
            assert not np.shares_memory(array, image)


def test_titles_tell_case_normality_rank_and_dice():
    figure = case_slices([of(), of("s0002", dice=float("nan")), of("s0003", dice=None)], "heart")
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles[0] == "s0001\nnormality -0.031 (rank 1 of 32), Dice 0.88"
    assert titles[1] == "s0002\nnormality -0.031 (rank 1 of 32), Dice unknown"
    assert "unknown" in titles[2]
    assert not any(axes.get_title() for axes in figure.axes[3:])


def test_lines_outline_the_class_in_millimetres():
    figure = case_slices([of(annotated=np.roll(HEART, 1, axis=0))], "heart")
    axial = figure.axes[0]
    line = next(c for c in axial.collections if isinstance(c, LineCollection))
    points = np.concatenate(line.get_segments())
    mask = HEART[:, :, 4]
    d, w = np.nonzero(mask)
    expected = (24 - 2 * (d.max() + 1), 24 - 2 * d.min(), 3 * w.min(), 3 * (w.max() + 1))
    assert (points[:, 0].min(), points[:, 0].max(), points[:, 1].min(), points[:, 1].max()) == expected
    dashed = next(c for c in axial.collections if isinstance(c, QuadContourSet))
    around = dashed.get_paths()[0].vertices
    middle = (around.min(axis=0) + around.max(axis=0)) / 2
    of_box = [(expected[0] + expected[1]) / 2 - 2, (expected[2] + expected[3]) / 2]
    np.testing.assert_allclose(middle, of_box)  # one voxel further to the right of the patient


def test_legend_names_only_what_is_shown():
    def labels(*cases: CaseSlices) -> list[str]:
        return [t.get_text().replace("\n", " ") for t in case_slices(cases, "left_lung").legends[0].get_texts()]

    e = np.random.default_rng(1).normal(size=SHAPE)
    assert labels(of()) == ["prediction of left lung"]
    assert labels(of(), of(annotated=HEART))[1:] == ["annotation of left lung"]
    assert [label.split(" ")[0] for label in labels(of(attribution=e), of())[1:]] == ["positive", "negative"]


def test_of_the_attribution_the_strongest_twentieth_of_the_scan_is_shown():
    e = np.random.default_rng(1).normal(size=SHAPE)
    case = of(attribution=e)
    threshold = np.sort(np.abs(e), axis=None)[-round(0.05 * e.size)]
    shown = case_slices([case], "heart").axes[0].images[1].get_array()
    np.testing.assert_array_equal(~np.ma.getmaskarray(shown), (np.abs(e[:, :, 4]) >= threshold)[::-1, ::-1].T)


def test_a_class_that_is_not_predicted_is_shown_where_it_is_annotated_or_in_the_middle():
    nothing = np.zeros(SHAPE, bool)
    annotated = of(predicted=nothing, annotated=box(slice(0, 2), slice(7, 8), slice(1, 2)))
    assert [cut.index for cut in annotated.cuts] == [1, 7]
    assert [cut.index for cut in of(predicted=nothing).cuts] == [4, 5]
    assert "not predicted" in case_slices([annotated], "heart").axes[0].get_title()


def test_a_centimetre_is_the_same_in_all_panels_and_a_tall_scan_is_cut_around_the_class():
    tall = np.zeros((12, 10, 90), bool)
    tall[4:8, 4:8, 80:84] = True
    whole = CaseSlices.through(Standing("whole", 0, "2 of 2", None), shown(tall * 40, (4.0, 4.0, 10.0)), tall)
    figure = case_slices([of(), whole], "heart")
    figure.canvas.draw()
    scales = [axes.bbox.width / np.ptp(axes.get_xlim()) for axes in figure.axes]
    scales += [axes.bbox.height / np.ptp(axes.get_ylim()) for axes in figure.axes]
    np.testing.assert_allclose(scales, scales[0], rtol=1e-6)
    low, high = figure.axes[3].get_ylim()
    assert high - low == pytest.approx(1.25 * 48)
    assert low <= 800
    assert high >= 840


@pytest.mark.parametrize("n", [1, 4, 6])
def test_nothing_is_cut_off_and_panels_do_not_collide(n):
    e = np.random.default_rng(1).normal(size=SHAPE)
    cases = [of(f"case_with_a_long_name_{i:04d}", annotated=HEART, attribution=e) for i in range(n)]
    figure = case_slices(cases, "lung_upper_lobe_left")
    figure.canvas.draw()
    parts = [axes for axes in figure.axes if axes.images] + [*figure.legends, figure._supxlabel]
    assert len(parts) == 2 * n + 2
    for artist in (*parts, figure._suptitle):
        around = artist.get_tightbbox()
        assert min(around.x0, around.y0) >= 0
        assert around.x1 <= figure.bbox.x1
        assert around.y1 <= figure.bbox.y1
    assert not any(a.get_tightbbox().overlaps(b.get_tightbbox()) for a, b in combinations(parts, 2))


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"case s0001: expected one \(D, H, W\) for all volumes, got .*'annotation'"):
        of(annotated=HEART[1:])
    with pytest.raises(SettingError, match="cases: expected at least one case, got 'none'"):
        case_slices([], "heart")
