"""Further regions: which files they are, and that they are read once."""

from pathlib import Path

import numpy as np
import pytest

from agg2exp.data.reading import masks
from agg2exp.data.reading.extra_masks import ExtraMasks, read_extra_masks
from agg2exp.data.reading.masks import MaskReader
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import MaskFile
from agg2exp.domain.labels import Labels
from agg2exp.store.nifti import open_volume
from tests.helpers import cases


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("node", "extra/node.nii.gz"),
        ("heart", "{case}/heart.nii.gz"),
        ("a/../b", "{case}/heart.nii.gz#x"),
        *(("node", f"{{case}}/atlas.nii.gz#{label}") for label in ("", "0", "-1", "left", "1#2")),
    ],
)
def test_they_need_a_case_and_a_name_of_their_own(name: str, pattern: str):
    with pytest.raises(SettingError, match="extra_masks"):
        ExtraMasks({name: pattern}, cases.labels())


def test_background_is_the_name_of_a_region_whatever_the_head():
    with pytest.raises(SettingError, match="extra_masks: expected a name that is no class"):
        ExtraMasks({"background": "{case}/a.nii"}, Labels(("tumour",), "sigmoid"))


@pytest.mark.parametrize(
    ("pattern", "path", "label"),
    [
        ("{case}/nodule.nii.gz#5", "s1/nodule.nii.gz", 5),
        ("/set#2/{case}/nodule.nii.gz", "/set#2/s1/nodule.nii.gz", None),
        ("/set#2/{case}/atlas.nii#16777216", "/set#2/s1/atlas.nii", 1 << 24),
        ("a.nii#3/{case}.nii.gz", "a.nii#3/s1.nii.gz", None),
    ],
)
def test_only_digits_behind_the_file_are_a_label(tmp_path: Path, pattern: str, path: str, label: int | None):
    files = ExtraMasks({"node": pattern}, cases.labels()).files(tmp_path, CaseRecord("s1", ()))
    assert files == {"node": MaskFile(tmp_path / path, label)}


def test_those_of_the_layout_come_first_and_stay(tmp_path: Path):
    own = {"finding": MaskFile(tmp_path / "finding.nii")}
    files = ExtraMasks({"node": "{case}.nii"}, cases.labels()).files(tmp_path, CaseRecord("s1", (), extra=own))
    assert list(files.items()) == [*own.items(), ("node", MaskFile(tmp_path / "s1.nii"))]


def test_labels_of_a_map_are_masks_of_their_own_and_the_map_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    grid, read = cases.scan_grid(), []
    volume = np.zeros(grid.shape, np.int16)
    volume[1:3], volume[5:9, 2] = 3, 12
    cases.write_nifti(tmp_path / "s1" / "atlas.nii.gz", volume, grid)
    cases.write_nifti(tmp_path / "s1" / "node.nii.gz", (volume == 12).astype(np.uint8), grid)
    atlas = "{case}/atlas.nii.gz"
    patterns = {"left": f"{atlas}#3", "node": "{case}/node.nii.gz", "right": f"{atlas}#12", "nobody": f"{atlas}#7",
                "all": atlas, "none": "{case}/x.nii"}  # fmt: skip
    record = CaseRecord("s1", ())
    files = ExtraMasks(patterns, cases.labels()).files(tmp_path, record)
    monkeypatch.setattr(masks, "open_volume", lambda path: (read.append(path.name), open_volume(path))[1])
    supplied = read_extra_masks(CaseRecord("s1", (), extra=files), MaskReader("s1", grid, 0.5))
    assert read == ["atlas.nii.gz", "node.nii.gz"]
    expected = {"left": volume == 3, "node": volume == 12, "right": volume == 12, "nobody": volume == 7,
                "all": volume > 0}  # fmt: skip
    assert list(supplied) == list(expected)
    for name, mask in expected.items():
        np.testing.assert_array_equal(supplied[name], mask)
