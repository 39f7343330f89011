from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

from agg2exp.domain.case import Grid
from agg2exp.domain.errors import DataError, SettingError
from agg2exp.figures import style
from agg2exp.figures.planes import PLANES, largest_slices, outline
from agg2exp.figures.shown_scan import ShownScan
from agg2exp.figures.slices import OUTLINE, Caption, slice_picture, threshold_of

SHAPE = (12, 9, 7)
SPACING = (2.0, 3.0, 5.0)


def volumes(seed: int = 0):
    rng = np.random.default_rng(seed)
    image = rng.random(SHAPE).astype(np.float32)
    labels = (rng.random(SHAPE) < 0.2).astype(np.int16)
    attribution = rng.standard_normal((1, *SHAPE)).astype(np.float32)
    return image, labels, attribution


GRID = Grid(SHAPE, np.diag([*SPACING, 1.0]))
CAPTION = Caption("s0011", "lung_left", "smoothgrad")


def picture(image, labels, attribution, **options):
    """Of one channel, or of several (C, D, H, W)."""
    channels = image if image.ndim == 4 else image[None]
    scan = ShownScan.of(channels, GRID, [(0.0, 0.9)] * len(channels))
    return slice_picture(scan, labels == 1, attribution, CAPTION, **options)


def panels(figure):
    return dict(zip((plane.name for plane in PLANES), figure.axes[:3], strict=True))


def ct_and_overlay(axes):
    ct, overlay = axes.images
    return np.asarray(ct.get_array()), overlay.get_array()


@pytest.mark.parametrize("seed", range(4))
def test_slices_are_those_with_the_largest_area(seed):
    image, labels, e = volumes(seed)
    mask = labels == 1
    for axis, index in enumerate(largest_slices(mask)):
        areas = [int(np.count_nonzero(np.moveaxis(mask, axis, 0)[i])) for i in range(SHAPE[axis])]
        assert areas[index] == max(areas)
        assert areas.index(max(areas)) == index
    d, h, w = largest_slices(mask)
    shown = {name: axes.get_title() for name, axes in panels(picture(image, labels, e)).items()}
    assert shown["axial"] == f"axial, slice {w} of 0..6"
    assert shown["coronal"] == f"coronal, slice {h} of 0..8"
    assert shown["sagittal"] == f"sagittal, slice {d} of 0..11"


def test_directions_are_radiological():
    """A voxel marked at the patient's left, back and head must appear at the right, bottom and top."""
    labels = np.zeros(SHAPE, np.int16)
    labels[1, 2, 6] = 1  # axes point to R, A, S: left is a low first index, back a low second, head a high third
    image = (labels == 1).astype(np.float32)
    e = image[None]
    spots = {}
    for name, axes in panels(picture(image, labels, e)).items():
        ct, overlay = ct_and_overlay(axes)
        spots[name] = tuple(int(i) for i in np.argwhere(ct == 1).squeeze())
        assert tuple(np.argwhere(~np.ma.getmaskarray(overlay)).squeeze()) == spots[name]
        assert axes.images[0].origin == "upper"
        rows, columns = ct.shape
        x0, x1, y0, y1 = axes.images[0].get_extent()
        assert (x0, y0) == (0, 0)
        (line,) = (c for c in axes.collections if isinstance(c, LineCollection))
        corners = np.concatenate(line.get_segments())
        row, column = spots[name]
        np.testing.assert_allclose(corners.min(axis=0), [column * x1 / columns, (rows - row - 1) * y1 / rows])
        np.testing.assert_allclose(corners.max(axis=0), [(column + 1) * x1 / columns, (rows - row) * y1 / rows])
    assert spots == {"axial": (6, 10), "coronal": (0, 10), "sagittal": (0, 6)}


def test_letters_stand_at_the_sides_they_name():
    sides = {}
    for name, axes in panels(picture(*volumes())).items():
        at = {text.get_position(): text.get_text() for text in axes.texts}
        left, right = (at[p] for p in sorted(at) if p[1] == 0.5)
        bottom, top = (at[p] for p in sorted(at) if p[0] == 0.5)
        sides[name] = left + right + top + bottom
    assert sides == {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.05, 0.5, 1.0])
def test_as_many_voxels_are_shown_as_asked_for(seed, fraction):
    image, labels, e = volumes(seed)
    n = round(fraction * e.size)
    strongest = sorted((abs(float(v)), i) for i, v in enumerate(e.ravel()))[e.size - n :]
    keep = np.zeros(e.size, bool)
    keep[[i for _, i in strongest]] = True
    keep = keep.reshape(SHAPE)
    assert np.count_nonzero(np.abs(e) >= threshold_of(np.abs(e), fraction)) == n
    where = largest_slices(labels == 1)
    figure = picture(image, labels, e, top_fraction=fraction)
    for plane, axes in zip(PLANES, figure.axes[:3], strict=True):
        _, overlay = ct_and_overlay(axes)
        np.testing.assert_array_equal(~np.ma.getmaskarray(overlay), plane.cut(keep, where[plane.normal]))
        np.testing.assert_array_equal(overlay.compressed(), plane.cut(e[0], where[plane.normal])[~overlay.mask])
    assert f"strongest {n / e.size:.1%} of voxels" in figure.axes[3].get_ylabel()


def test_positive_is_red_negative_blue_and_stronger_is_more_opaque():
    overlay = panels(picture(*volumes(), top_fraction=0.6))["axial"].images[1]
    e = overlay.get_array()
    colours = overlay.to_rgba(e)
    red_minus_blue = colours[..., 0] - colours[..., 2]
    assert (red_minus_blue[(e > 0).filled(False)] > 0.5).all()
    assert (red_minus_blue[(e < 0).filled(False)] < -0.5).all()
    assert (colours[..., 3][~e.mask] > 0).all()
    assert (colours[..., 3][e.mask] == 0).all()
    order = np.argsort(np.abs(e.compressed()))
    assert (np.diff(colours[..., 3][~e.mask][order]) >= -0.01).all()
    low, high = overlay.get_clim()
    assert low == -high


def test_the_colour_bar_is_blank_where_nothing_is_shown():
    image, labels, e = volumes()
    overlay = panels(picture(image, labels, e))["axial"].images[1]
    threshold = threshold_of(np.abs(e), 0.05)
    step = 2 * overlay.get_clim()[1] / 512
    values = np.array([0.0, threshold - 2 * step, -threshold + 2 * step, threshold, -threshold])
    assert (overlay.to_rgba(values)[:, 3] > 0).tolist() == [False, False, False, True, True]


def test_equals_are_shown_together_and_zeros_never():
    image, labels, _ = volumes()
    e = np.zeros((1, *SHAPE), np.float32)
    e[0, :6] = 2.0  # one supervoxel of half the volume
    assert "strongest 50.0% of voxels" in picture(image, labels, e).axes[3].get_ylabel()
    e[:] = 0
    figure = picture(image, labels, e)
    assert "strongest 0.0% of voxels" in figure.axes[3].get_ylabel()
    figure.canvas.draw()


def test_each_channel_has_a_row_with_its_image_its_window_and_its_attribution():
    image, labels, e = volumes()
    images, two = np.stack([image, 40 * image]), np.concatenate([e, -3 * e])
    scan = ShownScan.of(images, GRID, [(0.0, 0.9), (10.0, 30.0)], ("t1", "flair"))
    figure = slice_picture(scan, labels == 1, two, CAPTION, top_fraction=0.1)
    where = largest_slices(labels == 1)
    threshold = np.sort(np.abs(two), axis=None)[-round(0.1 * two.size)]  # of both channels together
    for channel in range(2):
        assert [t.get_text() for t in figure.axes[3 * channel].texts][-1] == ("t1", "flair")[channel]
        for plane, axes in zip(PLANES, figure.axes[3 * channel : 3 * channel + 3], strict=True):
            shown, overlay = ct_and_overlay(axes)
            np.testing.assert_array_equal(shown, plane.cut(images[channel], where[plane.normal]))
            assert axes.images[0].get_clim() == ((0.0, 0.9), (10.0, 30.0))[channel]
            strong = np.abs(plane.cut(two[channel], where[plane.normal])) >= threshold
            np.testing.assert_array_equal(~np.ma.getmaskarray(overlay), strong)
    assert "strongest 10.0% of voxels" in figure.axes[6].get_ylabel()


def test_an_attribution_to_all_channels_together_is_drawn_on_each():
    image, labels, e = volumes()
    figure = picture(np.stack([image, image]), labels, e)
    for upper, lower in zip(figure.axes[:3], figure.axes[3:6], strict=True):
        np.testing.assert_array_equal(upper.images[1].get_array(), lower.images[1].get_array())
    with pytest.raises(ValueError, match="an attribution to each of the channels"):
        picture(np.stack([image, image]), labels, np.concatenate([e, e, e]))


def test_windows_are_percentiles_of_each_channel_unless_given():
    image = volumes()[0]
    limits = ShownScan.of(np.stack([image, 7 * image]), GRID).limits
    np.testing.assert_allclose(limits, [np.percentile(c, [1, 99]) for c in (image, 7 * image)], rtol=1e-5)
    with pytest.raises(DataError, match="limits and a name for each of the 2 channels, got 1 and 2"):
        ShownScan.of(np.stack([image, image]), GRID, [(0, 1)])


def test_millimetres_are_equal_in_all_directions_and_panels():
    figure = picture(*volumes())
    figure.canvas.draw()
    scales = []
    for axes, (across, up) in zip(figure.axes[:3], ((24, 27), (24, 35), (27, 35)), strict=True):
        assert axes.images[0].get_extent() == [0, across, 0, up]
        box = axes.get_window_extent()
        scales += [box.width / across, box.height / up]
    np.testing.assert_allclose(scales, scales[0], rtol=0.02)


def test_title_names_case_class_and_method_and_nothing_is_cut_off():
    figure = picture(*volumes())
    figure.canvas.draw()
    assert figure.get_suptitle() == "s0011: attribution of lung left by smoothgrad"
    for artist in (*figure.axes, figure._suptitle, figure._supxlabel):
        box = artist.get_tightbbox()
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    boxes = [a.get_tightbbox() for a in (*figure.axes, figure._suptitle, figure._supxlabel)]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("seed", range(5))
def test_the_outline_is_every_edge_between_inside_and_outside(seed):
    mask = np.random.default_rng(seed).random((4, 6)) < 0.5
    inside = {(r, c) for r, c in np.argwhere(mask).tolist()}
    expected = set()
    for r, c in inside:
        top, bottom = 4 - r, 3 - r  # rows from the top, y upwards
        for neighbour, edge in (
            ((r - 1, c), ((c, top), (c + 1, top))),
            ((r + 1, c), ((c, bottom), (c + 1, bottom))),
            ((r, c - 1), ((c, bottom), (c, top))),
            ((r, c + 1), ((c + 1, bottom), (c + 1, top))),
        ):
            if neighbour not in inside:
                expected.add(edge)
    drawn = [tuple(sorted((float(x), float(y)) for x, y in ends)) for ends in outline(mask, (0, 6, 0, 4))]
    assert set(drawn) == expected
    assert len(drawn) == len(expected)


def test_the_outline_is_yellow():
    (line,) = (c for c in panels(picture(*volumes()))["axial"].collections if isinstance(c, LineCollection))
    red, green, blue = to_rgb(OUTLINE)
    np.testing.assert_allclose(line.get_colors()[0][:3], (red, green, blue))
    assert min(red, green) > 0.8
    assert blue < 0.2


def test_a_class_that_is_not_predicted_is_an_error_that_names_it():
    image, labels, e = volumes()
    with pytest.raises(ValueError, match=r"case s0011: expected a prediction of lung_left, got none"):
        picture(image, 0 * labels, e)


def test_shapes_that_differ_and_values_that_are_not_finite_are_errors():
    image, labels, e = volumes()
    with pytest.raises(ValueError, match=r"case s0011: expected one \(D, H, W\) .*, got image \(1, 11,"):
        picture(image[1:], labels, e)
    e[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="case s0011: the attribution of lung_left has values that are not finite"):
        picture(image, labels, e)
    with pytest.raises(SettingError, match="top_fraction"):
        picture(*volumes(), top_fraction=1.5)


def test_bytes_are_the_same_twice_and_the_input_is_left_alone(tmp_path):
    given = volumes()
    before = [v.copy() for v in given]
    for name in "ab":
        style.save(picture(*given), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    for one, other in zip(given, before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_title_says_why_to_read_it_with_care():
    volume, labels = np.zeros((4, 5, 6)), np.zeros((4, 5, 6), dtype=int)
    labels[1:3, 1:3, 1:3] = 1
    titles = []
    for doubt in ("", "read with care: Dice 0.13"):
        scan = ShownScan.of(volume[None], Grid((4, 5, 6), np.eye(4)))
        figure = slice_picture(scan, labels == 1, volume[None] + 1, Caption("a", "heart", "smoothgrad", doubt))
        titles.append(" ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))))
    assert "Dice 0.13" not in titles[0]
    assert "read with care: Dice 0.13" in titles[1]
