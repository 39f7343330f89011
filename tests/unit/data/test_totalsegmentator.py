"""The reader of the TotalSegmentator layout, its annotation rules and its cache of merged label maps."""

import gzip
import logging
import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agg2exp.data import masks
from agg2exp.data.masks import read_extra_masks, read_mask
from agg2exp.data.records import MaskFile
from agg2exp.data.totalsegmentator import TotalSegmentatorLayout
from agg2exp.domain.case import Grid
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.store.nifti import open_volume, read_volume
from tests.helpers import cases


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return cases.write_data_set(tmp_path / "data", {"s1": "train", "s2": "test"})


@pytest.fixture
def layout(root: Path, tmp_path: Path) -> TotalSegmentatorLayout:
    return cases.layout(root, tmp_path / "cache")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that the reader opens."""
    names: list[str] = []

    def counted(path: Path):
        names.append(path.name)
        return open_volume(path)

    monkeypatch.setattr(masks, "open_volume", counted)
    return names


def mask_path(root: Path, case: str, structure: str) -> Path:
    return root / case / "segmentations" / f"{structure}.nii.gz"


def cached(layout: TotalSegmentatorLayout) -> list[Path]:
    return sorted((layout.cache / "labels").iterdir())


def test_cases_come_in_the_table_s_order_with_split_and_facts(tmp_path: Path):
    (tmp_path / "meta.csv").write_text("image_id;age;gender;split\nz9;NA;f;test\na1;;m;train\n", encoding="utf-8-sig")
    z9, a1 = cases.layout(tmp_path, tmp_path / "cache", {"node": "{case}/extra/node.nii.gz"}).records()
    assert (z9.id, z9.split, z9.metadata) == ("z9", "test", {"age": "NA", "gender": "f"})
    assert (a1.id, a1.split, a1.metadata) == ("a1", "train", {"gender": "m"})
    assert z9.image == tmp_path / "z9" / "ct.nii.gz"
    assert z9.extra == {"node": MaskFile(tmp_path / "z9" / "extra" / "node.nii.gz")}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (None, "meta.csv"),
        ("image_id|split\ns1|test\n", "';'"),
        ("image_id;age\ns1;3\n", "split"),
        ("image_id;split\ns1;test\ns2;test\ns1;train\n", "'s1' in lines 2, 4"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path: Path, table: str | None, expected: str):
    if table is not None:
        (tmp_path / "meta.csv").write_text(table)
    with pytest.raises(SettingError) as error:
        cases.layout(tmp_path, tmp_path / "cache").records()
    assert expected in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("node", "extra/node.nii.gz"),
        ("heart", "{case}/heart.nii.gz"),
        *(("node", f"{{case}}/atlas.nii.gz#{label}") for label in ("", "0", "-1", "left", "1#2")),
    ],
)
def test_extra_masks_need_a_case_and_a_name_of_their_own(tmp_path: Path, name: str, pattern: str):
    with pytest.raises(SettingError, match="extra_masks"):
        cases.layout(tmp_path, tmp_path / "cache", {name: pattern})


@pytest.mark.parametrize(
    ("pattern", "path", "label"),
    [
        ("{case}/nodule.nii.gz#5", "s1/nodule.nii.gz", 5),
        ("/set#2/{case}/nodule.nii.gz", "/set#2/s1/nodule.nii.gz", None),
        ("/set#2/{case}/atlas.nii#16777216", "/set#2/s1/atlas.nii", 1 << 24),
        ("a.nii#3/{case}.nii.gz", "a.nii#3/s1.nii.gz", None),
    ],
)
def test_only_digits_behind_the_file_are_a_label(
    root: Path, tmp_path: Path, pattern: str, path: str, label: int | None
):
    layout = cases.layout(root, tmp_path / "cache", {"node": pattern})
    assert layout.records()[0].extra["node"] == MaskFile(root / path, label)


def test_a_cached_map_of_another_scan_is_not_used(layout: TotalSegmentatorLayout):
    record, grid = layout.records()[0], cases.scan_grid()
    layout.labels(record, grid)
    with pytest.raises(CaseError, match="elsewhere in space"):
        layout.labels(record, cases.scan_grid(centre=(0, 0, 2)))


def test_masks_in_another_axis_order_are_put_into_that_of_the_scan(root: Path, tmp_path: Path):
    points = cases.world(cases.scan_grid("PIR"))
    for name in cases.BOXES:
        cases.write_nifti(
            mask_path(root, "s1", name), cases.in_box(points, name).astype(np.uint8), cases.scan_grid("PIR")
        )
    layout, grid = cases.layout(root, tmp_path / "cache"), cases.scan_grid()
    np.testing.assert_array_equal(layout.labels(layout.records()[0], grid), cases.label_map(cases.world(grid)))


def test_a_soft_structure_is_refused_or_thresholded_when_told(root: Path, tmp_path: Path):
    grid = cases.scan_grid()
    soft = cases.in_box(cases.world(grid), "aorta") * np.float32(0.6) + np.float32(0.1)
    cases.write_nifti(mask_path(root, "s1", "aorta"), soft, grid)
    layout = cases.layout(root, tmp_path / "cache")
    with pytest.raises(CaseError, match=r"case s1: .*aorta\.nii\.gz.*mask_threshold"):
        layout.labels(layout.records()[0], grid)
    told = cases.layout(root, tmp_path / "cache", mask_threshold=0.5)
    np.testing.assert_array_equal(told.labels(told.records()[0], grid), cases.label_map(cases.world(grid)))


def test_structures_are_merged_and_the_later_class_wins(layout: TotalSegmentatorLayout):
    record, grid = layout.records()[0], cases.scan_grid()
    merged = layout.labels(record, grid)
    expected = cases.label_map(cases.world(grid))
    np.testing.assert_array_equal(merged, expected)
    overlap = cases.in_box(cases.world(grid), "heart") & cases.in_box(cases.world(grid), "lung_left")
    assert overlap.any()
    assert (merged[overlap] == 2).all()
    assert merged.dtype == np.uint8


def test_an_empty_mask_is_annotated_and_a_missing_file_is_not(layout: TotalSegmentatorLayout, root: Path):
    record, grid = layout.records()[0], cases.scan_grid()
    assert layout.annotated(record) == (True, True, True, True)
    cases.write_nifti(mask_path(root, "s1", "aorta"), np.zeros(grid.shape, np.uint8), grid)
    assert layout.annotated(record) == (True, True, True, True)
    assert not (layout.labels(record, grid) == 3).any()
    mask_path(root, "s1", "aorta").unlink()
    assert layout.annotated(record) == (False, True, True, False)  # background is what remains: unknown as well


def test_a_merged_class_with_a_gap_is_not_annotated_but_its_voxels_are_kept(layout: TotalSegmentatorLayout, root: Path):
    mask_path(root, "s1", "lung_right").unlink()
    record, grid = layout.records()[0], cases.scan_grid()
    assert layout.annotated(record) == (False, False, True, True)
    points = cases.world(grid)
    lung = cases.in_box(points, "lung_left") & ~cases.in_box(points, "heart")
    np.testing.assert_array_equal(layout.labels(record, grid) == 1, lung)


def test_nothing_annotated_gives_no_label_map(layout: TotalSegmentatorLayout, root: Path):
    for structure in cases.BOXES:
        mask_path(root, "s1", structure).unlink()
    assert layout.labels(layout.records()[0], cases.scan_grid()) is None
    assert layout.annotated(layout.records()[0]) == (False,) * 4


def test_the_second_read_opens_only_the_cache(layout: TotalSegmentatorLayout, reads: list[str]):
    record, grid = layout.records()[0], cases.scan_grid()
    first = layout.labels(record, grid)
    assert sorted(reads) == sorted(f"{s}.nii.gz" for s in cases.BOXES)
    reads.clear()
    np.testing.assert_array_equal(layout.labels(record, grid), first)
    assert reads == [cached(layout)[0].name]


def test_a_changed_mask_a_lost_mask_and_another_scheme_make_the_map_again(
    layout: TotalSegmentatorLayout, root: Path, reads: list[str]
):
    record, grid = layout.records()[0], cases.scan_grid()
    before = layout.labels(record, grid)
    cases.write_nifti(mask_path(root, "s1", "heart"), np.zeros(grid.shape, np.uint8), grid)
    os.utime(mask_path(root, "s1", "heart"), ns=(1, 1))
    changed = layout.labels(record, grid)
    assert (before == 2).any()
    assert not (changed == 2).any()
    mask_path(root, "s1", "aorta").unlink()
    assert not (layout.labels(record, grid) == 3).any()
    turned = {n: cases.CLASSES[n] for n in ("background", "aorta", "heart", "lung")}
    other = cases.layout(root, layout.cache, classes=turned)
    np.testing.assert_array_equal(other.labels(record, grid) == 3, np.isin(before, (1,)) | (changed == 1))
    assert len(cached(layout)) == 4


@pytest.mark.parametrize("keep", [0, 60])
def test_a_damaged_cache_entry_is_made_again_with_a_warning(
    layout: TotalSegmentatorLayout, caplog: pytest.LogCaptureFixture, keep: int
):
    record, grid = layout.records()[0], cases.scan_grid()
    first = layout.labels(record, grid)
    (entry,) = cached(layout)
    whole = entry.read_bytes()
    entry.write_bytes(whole[:keep])
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(layout.labels(record, grid), first)
    assert "damaged" in caplog.text
    assert entry.name in caplog.text
    np.testing.assert_array_equal(read_volume(entry)[0], first)


def test_a_cache_that_cannot_be_written_is_a_warning(
    layout: TotalSegmentatorLayout, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    (tmp_path / "file").touch()
    layout.cache = tmp_path / "file" / "cache"  # a folder cannot lie in a file
    grid = cases.scan_grid()
    with caplog.at_level(logging.WARNING):
        merged = layout.labels(layout.records()[0], grid)
    np.testing.assert_array_equal(merged, cases.label_map(cases.world(grid)))
    assert "not kept" in caplog.text


def test_a_scheme_that_divides_the_same_files_otherwise_has_a_map_of_its_own(
    layout: TotalSegmentatorLayout, root: Path
):
    record, grid = layout.records()[0], cases.scan_grid()
    layout.labels(record, grid)
    divided = {"background": [], **{name: [name] for name in ("lung_left", "lung_right", "heart", "aorta")}}
    other = cases.layout(root, layout.cache, classes=divided)
    np.testing.assert_array_equal(other.labels(record, grid), cases.label_map(cases.world(grid), divided))


def _fill(layout: TotalSegmentatorLayout, grid: Grid, start, results) -> None:
    record = layout.records()[0]
    start.wait(30)
    merged = layout.labels(record, grid)
    results.put(int(merged.astype(np.int64).sum()))


def test_processes_that_fill_one_entry_at_once_leave_one_whole_file(layout: TotalSegmentatorLayout):
    fork, grid = multiprocessing.get_context("fork"), cases.scan_grid()
    start, results = fork.Barrier(4), fork.Queue()
    workers = [fork.Process(target=_fill, args=(layout, grid, start, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    sums = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(30)
    expected = cases.label_map(cases.world(grid))
    assert [w.exitcode for w in workers] == [0] * 4
    assert sums == [int(expected.sum())] * 4
    (entry,) = cached(layout)  # no temporary file is left beside it
    np.testing.assert_array_equal(read_volume(entry)[0], expected)


def test_an_unknown_structure_comes_with_the_closest_name(root: Path, tmp_path: Path):
    classes = {
        **cases.CLASSES,
        "lung": ["lung_lft", "lung_right"],
        "liver": ["liver"],
    }
    layout = cases.layout(root, tmp_path / "cache", classes=classes)
    assert layout.unknown_structures(layout.records()) == {"lung_lft": "lung_left", "liver": None}
    assert layout.annotated(layout.records()[0]) == (False, False, True, True, False)


def test_no_structure_is_unknown_when_one_case_has_it(layout: TotalSegmentatorLayout, root: Path):
    mask_path(root, "s1", "heart").unlink()
    assert layout.unknown_structures(layout.records()) == {}


def test_a_mask_on_another_grid_is_refused(tmp_path: Path):
    grid, path = cases.scan_grid(), tmp_path / "heart.nii.gz"
    shorter = cases.scan_grid(extent=(72, 60, 52))
    cases.write_nifti(path, np.ones(shorter.shape, np.uint8), shorter)
    with pytest.raises(CaseError, match=r"s1.*heart\.nii\.gz.*\(18, 15, 14\).*\(18, 15, 13\).*Resample"):
        read_mask("s1", path, grid)
    moved = cases.scan_grid(centre=(0, 0, 4))
    cases.write_nifti(path, np.ones(grid.shape, np.uint8), moved)
    with pytest.raises(CaseError, match="elsewhere in space"):
        read_mask("s1", path, grid)
    cases.write_nifti(path, np.ones(grid.shape, np.uint8), grid)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CaseError, match=r"case s1: .*heart\.nii\.gz.*damaged"):
        read_mask("s1", path, grid)


def test_the_label_map_s_path_may_name_the_case_or_be_one_for_all(root: Path, tmp_path: Path):
    def paths(pattern: str | None) -> list[Path | None]:
        layout = cases.layout(root, tmp_path / "cache", label_map=pattern)
        return [record.label_map for record in layout.records()]

    assert paths("{case}/maps/{case}.nii") == [root / "s1/maps/s1.nii", root / "s2/maps/s2.nii"]
    assert paths("atlas.nii") == [root / "atlas.nii"] * 2
    assert paths("/atlases/{lung}.nii") == [Path("/atlases/{lung}.nii")] * 2
    assert paths(None) == [None, None]


def test_labels_of_a_map_are_extra_masks_of_their_own(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    grid, read = cases.scan_grid(), []
    volume = np.zeros(grid.shape, np.int16)
    volume[1:3], volume[5:9, 2] = 3, 12
    cases.write_nifti(root / "s1" / "atlas.nii.gz", volume, grid)
    atlas = "{case}/atlas.nii.gz"
    patterns = {
        "left": f"{atlas}#3",
        "right": f"{atlas}#12",
        "nobody": f"{atlas}#7",
        "all": atlas,
        "none": "{case}/x.nii",
    }
    layout = cases.layout(root, tmp_path / "cache", patterns, mask_threshold=0.5)
    record = layout.records()[0]
    monkeypatch.setattr(masks, "open_volume", lambda path: (read.append(path), open_volume(path))[1])
    supplied = read_extra_masks(record, grid)
    assert read == [root / "s1" / "atlas.nii.gz"]
    expected = {"left": volume == 3, "right": volume == 12, "nobody": volume == 7, "all": volume > 0}
    assert supplied.keys() == expected.keys()
    for name, mask in expected.items():
        np.testing.assert_array_equal(supplied[name], mask)
    other = cases.layout(root, tmp_path / "cache", {**patterns, "left": f"{atlas}#4"}, None, 0.5)
    before = layout.fingerprint(record)
    assert other.fingerprint(other.records()[0]) != before
    volume[1, 0, 0] = 12  # one label for another leaves an uncompressed file as large as it was
    cases.write_nifti(root / "s1" / "atlas.nii.gz", volume, grid)
    assert layout.fingerprint(record) != before


@pytest.mark.parametrize("name", ["atlas.nii", "atlas.nii.gz"])
def test_one_changed_voxel_of_the_label_map_changes_the_fingerprint(root: Path, tmp_path: Path, name: str):
    grid, path = cases.scan_grid(), root / "s1" / name
    volume = np.arange(np.prod(grid.shape), dtype=np.int32).reshape(grid.shape)
    layout = cases.layout(root, tmp_path / "cache", label_map=f"{{case}}/{name}")
    record = layout.records()[0]
    assert layout.fingerprint(record) == ""  # nothing to read, so that no finished case has it
    cases.write_nifti(path, volume, grid)
    before = layout.fingerprint(record)
    assert before not in ("", layout.fingerprint(replace(record, label_map=None)))
    os.utime(path, ns=(1, 1))
    assert layout.fingerprint(record) == before
    volume[9, 7, 7] += 1
    cases.write_nifti(path, volume, grid)
    assert layout.fingerprint(record) != before


@pytest.mark.parametrize("which", ["annotation", "extra mask", "scan"])
def test_a_file_with_other_content_of_the_same_size_and_time_changes_the_fingerprint(
    root: Path, tmp_path: Path, which: str
):
    node = root / "s1" / "node.nii.gz"
    volume, grid = read_volume(mask_path(root, "s1", "heart"))
    cases.write_nifti(node, volume, grid)
    path = {"annotation": mask_path(root, "s1", "heart"), "extra mask": node, "scan": root / "s1" / "ct.nii.gz"}[which]
    path.write_bytes(gzip.decompress(path.read_bytes()))
    layout = cases.layout(root, tmp_path / "cache", {"node": "{case}/node.nii.gz"})
    record = layout.records()[0]
    before, facts = layout.fingerprint(record), path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert path.stat().st_size == facts.st_size
    assert layout.fingerprint(record) not in ("", before)


def test_a_mask_whose_header_alone_changed_changes_the_fingerprint(layout: TotalSegmentatorLayout, root: Path):
    record, path = layout.records()[0], mask_path(root, "s1", "heart")
    before = layout.fingerprint(record)
    volume, grid = read_volume(path)
    shifted = grid.affine.copy()
    shifted[0, 3] += 1
    cases.write_nifti(path, volume, replace(grid, affine=shifted))
    assert layout.fingerprint(record) != before


def test_names_of_extra_masks_and_what_files_mean_change_the_fingerprint(root: Path, tmp_path: Path):
    volume, grid = read_volume(mask_path(root, "s1", "heart"))
    cases.write_nifti(root / "s1" / "a.nii.gz", volume, grid)
    patterns = [{"one": "{case}/a.nii.gz"}, {"two": "{case}/a.nii.gz"}, {"one": "{case}/a.nii.gz#1"}, {}]
    layouts = [cases.layout(root, tmp_path / "cache", extra) for extra in patterns]
    turned = {name: cases.CLASSES[name] for name in ("background", *list(cases.CLASSES)[:0:-1])}
    layouts.append(cases.layout(root, tmp_path / "cache", classes=turned))
    assert len({layout.fingerprint(layout.records()[0]) for layout in layouts}) == len(layouts)


def test_a_copied_data_set_has_the_same_fingerprints(layout: TotalSegmentatorLayout, root: Path, tmp_path: Path):
    shutil.copytree(root, tmp_path / "elsewhere")
    copy = cases.layout(tmp_path / "elsewhere", tmp_path / "cache")
    assert [copy.fingerprint(r) for r in copy.records()] == [layout.fingerprint(r) for r in layout.records()]


def test_a_mask_of_the_same_size_and_time_is_merged_again(layout: TotalSegmentatorLayout, root: Path):
    path, record = mask_path(root, "s1", "heart"), layout.records()[0]
    _, native = read_volume(root / "s1" / "ct.nii.gz")
    content = bytearray(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(content, compresslevel=0))
    facts, before = path.stat(), layout.labels(record, native)
    content[352:] = np.roll(np.frombuffer(content, dtype=np.uint8)[352:], 1).tobytes()
    path.write_bytes(gzip.compress(content, compresslevel=0))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert path.stat().st_size == facts.st_size
    assert not np.array_equal(layout.labels(record, native), before)


def test_a_scan_that_was_moved_gets_no_label_map_from_the_cache(layout: TotalSegmentatorLayout, root: Path):
    record = layout.records()[0]
    _, native = read_volume(root / "s1" / "ct.nii.gz")
    layout.labels(record, native)
    elsewhere = native.affine.copy()
    elsewhere[:3, 3] += 30
    with pytest.raises(CaseError, match="scan"):
        layout.labels(record, replace(native, affine=elsewhere))
