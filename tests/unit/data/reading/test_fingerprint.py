"""The fingerprint of a case changes with its files and with what is made of them, and with nothing else."""

import gzip
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agg2exp.data.reading.fingerprint import scan_digest
from agg2exp.data.records import CaseRecord
from agg2exp.store.nifti import read_volume
from tests.helpers import cases


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return cases.write_data_set(tmp_path / "data", {"s1": "train", "s2": "test"})


def mask_path(root: Path, case: str, structure: str) -> Path:
    return root / case / "segmentations" / f"{structure}.nii.gz"


def of(record: CaseRecord, **settings) -> str:
    return cases.reader(**settings).fingerprint(record)


@pytest.mark.parametrize("name", ["atlas.nii", "atlas.nii.gz"])
def test_one_changed_voxel_of_the_label_map_changes_it(root: Path, name: str):
    grid, path = cases.scan_grid(), root / "s1" / name
    volume = np.arange(np.prod(grid.shape), dtype=np.int32).reshape(grid.shape)
    record = cases.records(root, label_map=f"{{case}}/{name}")[0]
    assert of(record) == ""  # nothing to read, so that no finished case has it
    cases.write_nifti(path, volume, grid)
    before = of(record)
    assert before not in ("", of(replace(record, label_map=None)))
    os.utime(path, ns=(1, 1))
    assert of(record) == before
    volume[9, 7, 7] += 1
    cases.write_nifti(path, volume, grid)
    assert of(record) != before


@pytest.mark.parametrize("which", ["annotation", "extra mask", "scan"])
def test_a_file_with_other_content_of_the_same_size_and_time_changes_it(root: Path, which: str):
    node = root / "s1" / "node.nii.gz"
    volume, grid = read_volume(mask_path(root, "s1", "heart"))
    cases.write_nifti(node, volume, grid)
    path = {"annotation": mask_path(root, "s1", "heart"), "extra mask": node, "scan": root / "s1" / "ct.nii.gz"}[which]
    path.write_bytes(gzip.decompress(path.read_bytes()))
    record = cases.records(root, {"node": "{case}/node.nii.gz"})[0]
    before, facts = of(record), path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert path.stat().st_size == facts.st_size
    assert of(record) not in ("", before)


def test_a_mask_whose_header_alone_changed_changes_it(root: Path):
    record, path = cases.records(root)[0], mask_path(root, "s1", "heart")
    before = of(record)
    volume, grid = read_volume(path)
    shifted = grid.affine.copy()
    shifted[0, 3] += 1
    cases.write_nifti(path, volume, replace(grid, affine=shifted))
    assert of(record) != before


def test_names_of_extra_masks_and_what_files_mean_change_it(root: Path):
    volume, grid = read_volume(mask_path(root, "s1", "heart"))
    cases.write_nifti(root / "s1" / "a.nii.gz", volume, grid)
    cases.write_nifti(root / "s1" / "b.nii.gz", volume, grid)
    patterns = [{"one": "{case}/a.nii.gz"}, {"two": "{case}/a.nii.gz"}, {"one": "{case}/a.nii.gz#1"}, {}]
    found = [of(cases.records(root, extra)[0]) for extra in patterns]
    record = cases.records(root)[0]
    turned = {name: cases.CLASSES[name] for name in ("background", *list(cases.CLASSES)[:0:-1])}
    others = [
        of(record, annotation=cases.annotation(classes=turned)),
        of(record, annotation=cases.annotation(threshold=0.5)),
        of(record, resample="any"),
        of(record, label_names={3: "spleen"}),
        of(record, code=(Path,)),  # of Python: the same
        of(replace(record, channels=("t1",))),
        of(replace(record, images=record.images * 2)),
    ]
    assert others[4] == found[3]
    assert len({*found, *others}) == len(found) + len(others) - 1


def test_which_channel_is_which_changes_it(root: Path):
    one, two = (record.images[0] for record in cases.records(root))
    scans = [CaseRecord("s1", (one, two)), CaseRecord("s1", (two, one)), CaseRecord("s1", (one,))]
    assert len({of(record) for record in scans}) == len({scan_digest(record.images) for record in scans}) == 3


def test_a_copied_data_set_has_the_same_fingerprints(root: Path, tmp_path: Path):
    shutil.copytree(root, tmp_path / "elsewhere")
    assert list(map(of, cases.records(tmp_path / "elsewhere"))) == list(map(of, cases.records(root)))
