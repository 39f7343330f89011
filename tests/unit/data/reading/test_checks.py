"""What can be told before a run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agg2exp.data.reading.checks import SEARCHED, absent_masks, check_channels, unknown_structures
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import MaskFile
from tests.helpers import cases


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return cases.write_data_set(tmp_path / "data", {"s1": "train", "s2": "test"})


def test_an_unknown_structure_comes_with_the_closest_name(root: Path):
    wanted = {"lung_lft", "lung_right", "heart", "aorta", "liver"}
    assert unknown_structures(cases.records(root), wanted) == {"lung_lft": "lung_left", "liver": None}


def test_no_structure_is_unknown_when_one_case_has_it(root: Path):
    (root / "s1/segmentations/heart.nii.gz").unlink()
    assert unknown_structures(cases.records(root), set(cases.BOXES)) == {}


def test_a_structure_that_is_listed_without_a_file_is_unknown(tmp_path: Path):
    records = [CaseRecord(case, (), {"liver": MaskFile(tmp_path / f"{case}.nii")}) for case in ("s1", "s2")]
    assert unknown_structures(records, {"liver"}) == {"liver": None}
    (tmp_path / "s2.nii").touch()
    assert unknown_structures(records, {"liver"}) == {}


def test_a_label_is_looked_for_in_the_first_maps_only(tmp_path: Path):
    grid, records = cases.scan_grid(), []
    for k in range(SEARCHED + 1):
        path = tmp_path / f"{k}.nii"
        cases.write_nifti(path, np.full(grid.shape, k, np.uint8), grid)
        records.append(CaseRecord(str(k), (), extra={"first": MaskFile(path, 1), "last": MaskFile(path, SEARCHED)}))
    absent = absent_masks(records)
    assert list(absent) == ["last"]
    assert f"label {SEARCHED} is in none of the first {SEARCHED} files such as" in absent["last"]


def test_cases_have_the_same_channels(tmp_path: Path):
    one, two = (CaseRecord(case, (tmp_path / "a", tmp_path / "b"), channels=("t1", "t2")) for case in ("s1", "s2"))
    check_channels([one, two])
    for other in (replace(two, channels=("t2", "t1")), replace(two, images=one.images[:1], channels=())):
        with pytest.raises(SettingError, match=r"of case s1, 2 \['t1', 't2'\], at least one, got .* of case s2"):
            check_channels([one, other])
    with pytest.raises(SettingError, match="at least one"):
        check_channels([CaseRecord("s1", ())])
