"""Structures become classes: a label map, or masks that may overlap; and label maps are kept."""

import gzip
import logging
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agg2exp.data.reading import masks
from agg2exp.data.reading.annotation import AnnotationReader
from agg2exp.data.reading.masks import MaskReader
from agg2exp.data.reading.merged_maps import MergedMaps
from agg2exp.data.records import CaseRecord
from agg2exp.domain.case import Grid
from agg2exp.domain.errors import CaseError
from agg2exp.domain.files import MaskFile
from agg2exp.domain.labels import Labels
from agg2exp.store.nifti import open_volume, read_volume
from tests.helpers import cases

GRID = cases.scan_grid()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return cases.write_data_set(tmp_path / "data", {"s1": "train", "s2": "test"})


@pytest.fixture
def record(root: Path) -> CaseRecord:
    return cases.records(root)[0]


@pytest.fixture
def reader(tmp_path: Path) -> AnnotationReader:
    return cases.annotation(tmp_path / "cache")


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


def cached(reader: AnnotationReader) -> list[Path]:
    assert reader.kept is not None
    return sorted((reader.kept.folder / "labels").iterdir())


def test_a_cached_map_of_another_scan_is_not_used(reader: AnnotationReader, record: CaseRecord):
    reader.read(record, GRID)
    with pytest.raises(CaseError, match="elsewhere in space"):
        reader.read(record, cases.scan_grid(centre=(0, 0, 2)))


def test_masks_in_another_axis_order_are_put_into_that_of_the_scan(
    root: Path, reader: AnnotationReader, record: CaseRecord
):
    points = cases.world(cases.scan_grid("PIR"))
    for name in cases.BOXES:
        cases.write_nifti(
            mask_path(root, "s1", name), cases.in_box(points, name).astype(np.uint8), cases.scan_grid("PIR")
        )
    np.testing.assert_array_equal(reader.read(record, GRID), cases.label_map(cases.world(GRID)))


def test_a_soft_structure_is_refused_or_thresholded_when_told(root: Path, record: CaseRecord):
    soft = cases.in_box(cases.world(GRID), "aorta") * np.float32(0.6) + np.float32(0.1)
    cases.write_nifti(mask_path(root, "s1", "aorta"), soft, GRID)
    with pytest.raises(CaseError, match=r"case s1: .*aorta\.nii\.gz.*mask_threshold"):
        cases.annotation().read(record, GRID)
    told = cases.annotation(threshold=0.5).read(record, GRID)
    np.testing.assert_array_equal(told, cases.label_map(cases.world(GRID)))


def test_structures_are_merged_and_the_later_class_wins(reader: AnnotationReader, record: CaseRecord):
    merged = reader.read(record, GRID)
    expected = cases.label_map(cases.world(GRID))
    np.testing.assert_array_equal(merged, expected)
    overlap = cases.in_box(cases.world(GRID), "heart") & cases.in_box(cases.world(GRID), "lung_left")
    assert overlap.any()
    assert (merged[overlap] == 2).all()
    assert merged.dtype == np.uint8


def test_an_empty_mask_is_annotated_and_a_missing_file_is_not(reader: AnnotationReader, record: CaseRecord, root: Path):
    assert reader.annotated(record) == (True, True, True, True)
    cases.write_nifti(mask_path(root, "s1", "aorta"), np.zeros(GRID.shape, np.uint8), GRID)
    assert reader.annotated(record) == (True, True, True, True)
    assert not (reader.read(record, GRID) == 3).any()
    mask_path(root, "s1", "aorta").unlink()
    assert reader.annotated(record) == (False, True, True, False)  # background is what remains: unknown as well


def test_a_merged_class_with_a_gap_is_not_annotated_but_its_voxels_are_kept(
    reader: AnnotationReader, record: CaseRecord, root: Path
):
    mask_path(root, "s1", "lung_right").unlink()
    assert reader.annotated(record) == (False, False, True, True)
    points = cases.world(GRID)
    lung = cases.in_box(points, "lung_left") & ~cases.in_box(points, "heart")
    np.testing.assert_array_equal(reader.read(record, GRID) == 1, lung)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_nothing_annotated_gives_no_masks(record: CaseRecord, root: Path, head: str):
    for structure in cases.BOXES:
        mask_path(root, "s1", structure).unlink()
    classes = {"lung": ["lung_left", "lung_right"], "heart": ["heart"]}
    reader = cases.annotation(classes=classes if head == "sigmoid" else cases.CLASSES, head=head)
    assert reader.read(record, GRID) is None
    assert not any(reader.annotated(record))


# --- classes that may overlap --------------------------------------------------------------------


NESTED = {"WT": ["necrosis", "oedema", "enhancing"], "TC": ["necrosis", "enhancing"], "ET": ["enhancing"]}


def tumour(path: Path) -> tuple[CaseRecord, np.ndarray]:
    """A case whose structures are labels of one map, as in BraTS."""
    volume = np.zeros(GRID.shape, np.uint8)
    volume[2:14, 2:12, 2:12], volume[5:10, 5:10, 5:10], volume[6:8, 6:8, 6:8] = 2, 1, 4
    cases.write_nifti(path, volume, GRID)
    labels = {"necrosis": 1, "oedema": 2, "enhancing": 4, "nowhere": 3}
    return CaseRecord("s1", (), structures={name: MaskFile(path, n) for name, n in labels.items()}), volume


def test_nested_regions_are_unions_of_labels_of_a_map_that_is_read_once(tmp_path: Path, reads: list[str]):
    record, volume = tumour(tmp_path / "seg.nii.gz")
    reader = AnnotationReader(Labels(tuple(NESTED), "sigmoid"), NESTED, cache=tmp_path / "cache")
    bits = reader.read(record, GRID)
    assert bits.dtype == bool
    for mask, labels in zip(bits, ([1, 2, 4], [1, 4], [4]), strict=True):
        np.testing.assert_array_equal(mask, np.isin(volume, labels))
    assert reads == ["seg.nii.gz"]
    assert reader.annotated(record) == (True, True, True)
    assert not (tmp_path / "cache").exists()  # one file is read as fast as another


def test_a_class_without_its_file_is_not_annotated_and_no_background_follows(tmp_path: Path):
    record, _ = tumour(tmp_path / "seg.nii.gz")
    cases.write_nifti(tmp_path / "other.nii.gz", np.ones(GRID.shape, np.uint8), GRID)
    there = {**record.structures, "WT": MaskFile(tmp_path / "other.nii.gz"), "ET": MaskFile(tmp_path / "gone.nii.gz")}
    reader = AnnotationReader(Labels(("WT", "ET"), "sigmoid"))
    assert reader.annotated(replace(record, structures=there)) == (True, False)
    bits = reader.read(replace(record, structures=there), GRID)
    assert bits[0].all() and not bits[1].any()


def test_overlapping_structures_are_kept_apart(record: CaseRecord):
    classes = {"lung": ["lung_left", "lung_right"], "heart": ["heart"]}
    bits = cases.annotation(classes=classes, head="sigmoid").read(record, GRID)
    points = cases.world(GRID)
    np.testing.assert_array_equal(bits[0], cases.in_box(points, "lung_left") | cases.in_box(points, "lung_right"))
    np.testing.assert_array_equal(bits[1], cases.in_box(points, "heart"))
    assert (bits[0] & bits[1]).any()


# --- label maps are kept -------------------------------------------------------------------------


def test_the_second_read_opens_only_the_cache(reader: AnnotationReader, record: CaseRecord, reads: list[str]):
    first = reader.read(record, GRID)
    assert sorted(reads) == sorted(f"{s}.nii.gz" for s in cases.BOXES)
    reads.clear()
    np.testing.assert_array_equal(reader.read(record, GRID), first)
    assert reads == [cached(reader)[0].name]


def test_a_changed_mask_a_lost_mask_and_other_classes_make_the_map_again(
    reader: AnnotationReader, record: CaseRecord, root: Path, tmp_path: Path
):
    before = reader.read(record, GRID)
    cases.write_nifti(mask_path(root, "s1", "heart"), np.zeros(GRID.shape, np.uint8), GRID)
    os.utime(mask_path(root, "s1", "heart"), ns=(1, 1))
    changed = reader.read(record, GRID)
    assert (before == 2).any()
    assert not (changed == 2).any()
    mask_path(root, "s1", "aorta").unlink()
    assert not (reader.read(record, GRID) == 3).any()
    turned = {n: cases.CLASSES[n] for n in ("background", "aorta", "heart", "lung")}
    other = cases.annotation(tmp_path / "cache", classes=turned)
    np.testing.assert_array_equal(other.read(record, GRID) == 3, np.isin(before, (1,)) | (changed == 1))
    assert len(cached(reader)) == 4


def test_another_threshold_makes_the_map_again(reader: AnnotationReader, record: CaseRecord, tmp_path: Path):
    for threshold in (None, 0.5, 0.25):
        cases.annotation(tmp_path / "cache", threshold).read(record, GRID)
    assert len(cached(reader)) == 3


def test_the_label_of_a_structure_makes_the_map_again(tmp_path: Path):
    record, volume = tumour(tmp_path / "seg.nii.gz")
    reader = AnnotationReader(Labels(("background", "oedema")), cache=tmp_path / "cache")
    np.testing.assert_array_equal(reader.read(record, GRID), volume == 2)
    other = replace(record, structures={"oedema": MaskFile(tmp_path / "seg.nii.gz", 4)})
    np.testing.assert_array_equal(reader.read(other, GRID), volume == 4)


@pytest.mark.parametrize("keep", [0, 60])
def test_a_damaged_cache_entry_is_made_again_with_a_warning(
    reader: AnnotationReader, record: CaseRecord, caplog: pytest.LogCaptureFixture, keep: int
):
    first = reader.read(record, GRID)
    (entry,) = cached(reader)
    whole = entry.read_bytes()
    entry.write_bytes(whole[:keep])
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(reader.read(record, GRID), first)
    assert "damaged" in caplog.text
    assert entry.name in caplog.text
    np.testing.assert_array_equal(read_volume(entry)[0], first)


def test_a_cache_that_cannot_be_written_is_a_warning(
    record: CaseRecord, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    (tmp_path / "file").touch()
    reader = cases.annotation(tmp_path / "file" / "cache")  # a folder cannot lie in a file
    with caplog.at_level(logging.WARNING):
        merged = reader.read(record, GRID)
    np.testing.assert_array_equal(merged, cases.label_map(cases.world(GRID)))
    assert "not kept" in caplog.text


def test_classes_that_divide_the_same_files_otherwise_have_a_map_of_their_own(
    reader: AnnotationReader, record: CaseRecord, tmp_path: Path
):
    reader.read(record, GRID)
    divided = {"background": [], **{name: [name] for name in ("lung_left", "lung_right", "heart", "aorta")}}
    other = cases.annotation(tmp_path / "cache", classes=divided)
    np.testing.assert_array_equal(other.read(record, GRID), cases.label_map(cases.world(GRID), divided))


def _fill(reader: AnnotationReader, record: CaseRecord, grid: Grid, start, results) -> None:
    start.wait(30)
    merged = reader.read(record, grid)
    results.put(int(merged.astype(np.int64).sum()))


def test_processes_that_fill_one_entry_at_once_leave_one_whole_file(reader: AnnotationReader, record: CaseRecord):
    fork = multiprocessing.get_context("fork")
    start, results = fork.Barrier(4), fork.Queue()
    workers = [fork.Process(target=_fill, args=(reader, record, GRID, start, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    sums = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(30)
    expected = cases.label_map(cases.world(GRID))
    assert [w.exitcode for w in workers] == [0] * 4
    assert sums == [int(expected.sum())] * 4
    (entry,) = cached(reader)  # no temporary file is left beside it
    np.testing.assert_array_equal(read_volume(entry)[0], expected)


def test_a_mask_of_the_same_size_and_time_is_merged_again(reader: AnnotationReader, record: CaseRecord, root: Path):
    path = mask_path(root, "s1", "heart")
    content = bytearray(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(content, compresslevel=0))
    facts, before = path.stat(), reader.read(record, GRID)
    content[352:] = np.roll(np.frombuffer(content, dtype=np.uint8)[352:], 1).tobytes()
    path.write_bytes(gzip.compress(content, compresslevel=0))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert path.stat().st_size == facts.st_size
    assert not np.array_equal(reader.read(record, GRID), before)


def test_a_scan_that_was_moved_gets_no_label_map_from_the_cache(reader: AnnotationReader, record: CaseRecord):
    reader.read(record, GRID)
    elsewhere = GRID.affine.copy()
    elsewhere[:3, 3] += 30
    with pytest.raises(CaseError, match="scan"):
        reader.read(record, replace(GRID, affine=elsewhere))


def test_a_folder_that_somebody_else_made_is_no_cache(tmp_path: Path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"data\.cache"):
        MergedMaps(tmp_path)


def test_a_mask_on_another_grid_is_refused(tmp_path: Path):
    path = tmp_path / "heart.nii.gz"

    def read() -> None:
        MaskReader("s1", GRID).mask(MaskFile(path))

    shorter = cases.scan_grid(extent=(72, 60, 52))
    cases.write_nifti(path, np.ones(shorter.shape, np.uint8), shorter)
    with pytest.raises(CaseError, match=r"s1.*heart\.nii\.gz.*\(18, 15, 14\).*\(18, 15, 13\).*Resample"):
        read()
    cases.write_nifti(path, np.ones(GRID.shape, np.uint8), cases.scan_grid(centre=(0, 0, 4)))
    with pytest.raises(CaseError, match="elsewhere in space"):
        read()
    cases.write_nifti(path, np.ones(GRID.shape, np.uint8), GRID)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CaseError, match=r"case s1: .*heart\.nii\.gz.*damaged"):
        read()
