"""A case from what Python hands over is the case that a data set of the same files has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from agg2exp.data.given_case import GivenCase
from agg2exp.data.layouts.folder import FolderLayout
from agg2exp.data.reading.annotation import AnnotationReader
from agg2exp.data.reading.reader import CaseReader
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.labels import Labels
from agg2exp.preprocessing.crop import ForegroundCrop
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.store.nifti import write_volume

RNG = np.random.default_rng(0)
AFFINE = np.array([[-2.0, 0, 0, 30], [0, 2.0, 0, -20], [0, 0, 3.0, 5], [0, 0, 0, 1]])
SCAN = RNG.normal(size=(12, 10, 8)).astype(np.float32) * 200 - 400
LABELS = Labels(("background", "heart", "aorta"))
LABEL_MAP = RNG.integers(0, 3, SCAN.shape).astype(np.int16)
NODULE = np.zeros(SCAN.shape, dtype=bool)
NODULE[3:6, 3:6, 3:6] = True
GRID = Grid((12, 10, 8), AFFINE)
PREPROCESSING = Preprocessing(spacing=(3.0, 3.0, 3.0))


def from_files(folder: Path) -> tuple[GivenCase, Case]:
    write_volume(folder / "p1.nii.gz", SCAN, GRID)
    for label, name in enumerate(LABELS.classes):
        write_volume(folder / f"{name}.nii.gz", (label == LABEL_MAP).astype(np.uint8), GRID)
    write_volume(folder / "nodule.nii.gz", NODULE.astype(np.uint8), GRID)
    masks: dict[str, object] = {name: folder / f"{name}.nii.gz" for name in LABELS.structures}
    given = GivenCase(folder / "p1.nii.gz", annotation=masks, regions={"nodule": folder / "nodule.nii.gz"})
    return given, given.read(PREPROCESSING, LABELS)


def same(a: Case, b: Case) -> None:
    assert a.annotation is not None
    assert b.annotation is not None
    torch.testing.assert_close(a.image, b.image, rtol=0, atol=0)
    for c in range(3):
        torch.testing.assert_close(a.annotation.mask(c), b.annotation.mask(c))
    torch.testing.assert_close(a.extra["nodule"], b.extra["nodule"])
    np.testing.assert_allclose(a.grid.affine, b.grid.affine)
    assert a.annotated == b.annotated


def test_arrays_give_the_case_that_their_files_give(tmp_path: Path) -> None:
    _, stored = from_files(tmp_path)
    pair = (SCAN, AFFINE)
    maps = GivenCase(pair, "p1", annotation=(LABEL_MAP, AFFINE), regions={"nodule": (NODULE, AFFINE)})
    masks = {name: (c == LABEL_MAP, AFFINE) for c, name in enumerate(LABELS.classes) if c}
    same(maps.read(PREPROCESSING, LABELS), stored)
    same(GivenCase(pair, "p1", masks, {"nodule": (NODULE, AFFINE)}).read(PREPROCESSING, LABELS), stored)


def test_a_file_gives_the_case_of_a_folder_of_scans(tmp_path: Path) -> None:
    given, case = from_files(tmp_path)
    write_volume(tmp_path / "scans" / "p1.nii.gz", SCAN, GRID)
    layout = FolderLayout(tmp_path / "scans")
    (record,) = layout.records()
    alone = GivenCase(tmp_path / "scans" / "p1.nii.gz").read(PREPROCESSING, LABELS)
    theirs = CaseReader(PREPROCESSING, AnnotationReader(LABELS)).read(record)
    assert alone.id == theirs.id == case.id == "p1"
    assert alone.fingerprint == theirs.fingerprint
    assert given.image == tmp_path / "p1.nii.gz"
    torch.testing.assert_close(alone.image, theirs.image, rtol=0, atol=0)


def test_a_file_is_remembered_and_an_array_has_none(tmp_path: Path) -> None:
    _, stored = from_files(tmp_path)
    assert stored.origin is not None
    assert stored.origin.images == (tmp_path / "p1.nii.gz",)
    assert GivenCase((SCAN, AFFINE)).read(PREPROCESSING, LABELS).origin is None


def test_the_folder_of_the_arrays_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    GivenCase((SCAN, AFFINE)).read(PREPROCESSING, LABELS)
    assert not list(tmp_path.iterdir())


def test_an_array_without_affine_says_what_it_assumes() -> None:
    case = GivenCase(SCAN).read(PREPROCESSING, LABELS)
    assert "1 mm cubes" in case.notices[0]
    assert case.id == "scan"


def test_channels_are_named() -> None:
    case = GivenCase({"T1": (SCAN, AFFINE), "T2": (SCAN + 1, AFFINE)}).read(PREPROCESSING, LABELS)
    assert case.channels == ("T1", "T2")
    assert case.image.shape[0] == 2
    assert GivenCase((np.stack([SCAN, SCAN]), AFFINE)).read(PREPROCESSING, LABELS).channels == ("0", "1")


def test_overlapping_classes_take_a_mask_each() -> None:
    labels = Labels(("whole", "core"), "sigmoid")
    masks = {"whole": (LABEL_MAP > 0, AFFINE), "core": (LABEL_MAP > 1, AFFINE)}
    case = GivenCase((SCAN, AFFINE), annotation=masks).read(PREPROCESSING, labels)
    assert case.annotation is not None
    assert bool((case.annotation.mask(1) <= case.annotation.mask(0)).all())
    with pytest.raises(SettingError, match="a mask for each class"):
        GivenCase((SCAN, AFFINE), annotation=(LABEL_MAP, AFFINE)).read(PREPROCESSING, labels)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (GivenCase("nowhere.nii.gz"), "nowhere.nii.gz"),
        (GivenCase((SCAN, AFFINE), annotation={"liver": (LABEL_MAP, AFFINE)}), "liver"),
        (GivenCase((SCAN, AFFINE), regions={"heart": (NODULE, AFFINE)}), "no class of the model"),
        (GivenCase((SCAN, AFFINE), id="a\nb"), "id"),
        (GivenCase({}), "at least one channel"),
    ],
)
def test_what_is_wrong_is_named(given: GivenCase, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        given.read(PREPROCESSING, LABELS)


def test_a_mask_elsewhere_in_space_is_refused() -> None:
    moved = AFFINE + np.array([[0, 0, 0, 50.0]] + [[0, 0, 0, 0.0]] * 3)
    with pytest.raises(CaseError, match="elsewhere in space"):
        GivenCase((SCAN, AFFINE), regions={"nodule": (NODULE, moved)}).read(PREPROCESSING, LABELS)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"regions": [NODULE]}, "regions: expected a dictionary"),
        ({"annotation": {"liver": NODULE}}, "annotation: expected masks of"),
        ({"annotation": LABEL_MAP + 1}, "a label map with labels from 0 to 2"),
        ({"annotation": LABEL_MAP - 1}, "a label map with labels from 0 to 2"),
        ({"image": torch.zeros(4, 4, 4, dtype=torch.complex64)}, "one number for each voxel"),
    ],
)
def test_what_has_no_meaning_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        GivenCase(**{"image": SCAN, **given}).read(PREPROCESSING, LABELS)


def test_an_error_calls_what_is_in_memory_by_what_it_was_given_as() -> None:
    with pytest.raises(CaseError) as nan:
        GivenCase(np.full_like(SCAN, np.nan)).read(PREPROCESSING, LABELS)
    assert str(nan.value).startswith("case scan: image, channel 0 has 960 voxels that are NaN")
    with pytest.raises(CaseError, match=r"expected a mask in regions\['nodule'\], 0 outside"):
        GivenCase(SCAN, regions={"nodule": LABEL_MAP}).read(PREPROCESSING, LABELS)


@pytest.mark.parametrize("scan", [torch.tensor(SCAN).bfloat16(), SCAN.astype(np.longdouble)])
def test_types_that_files_do_not_have_are_converted(scan: object) -> None:
    expected = torch.tensor(SCAN).bfloat16().float().numpy() if isinstance(scan, torch.Tensor) else SCAN
    read = GivenCase(scan).read(PREPROCESSING, LABELS)
    torch.testing.assert_close(read.image, GivenCase(expected).read(PREPROCESSING, LABELS).image, rtol=0, atol=0)


def test_a_scan_that_cannot_be_prepared_fails_by_itself() -> None:
    empty = Preprocessing(crop=ForegroundCrop(above=1e6))
    with pytest.raises(CaseError, match="case scan: expected foreground to crop to"):
        GivenCase(SCAN).read(empty, LABELS)


def test_an_array_that_lies_elsewhere_since_it_has_no_affine_says_so() -> None:
    with pytest.raises(CaseError, match=r"regions\['nodule'\] lies elsewhere .* Give \(array, affine\)"):
        GivenCase((SCAN, AFFINE), regions={"nodule": NODULE}).read(PREPROCESSING, LABELS)
