"""What the layout of TotalSegmentator lists."""

from pathlib import Path

import pytest

from agg2exp.data.layouts.masks_in import MasksIn
from agg2exp.data.layouts.totalsegmentator import TotalSegmentatorLayout
from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import MaskFile
from tests.helpers import cases


def test_cases_come_in_the_table_s_order_with_split_and_facts(tmp_path: Path):
    (tmp_path / "meta.csv").write_text("image_id;age;gender;split\nz9;NA;f;test\na1;;m;train\n", encoding="utf-8-sig")
    z9, a1 = TotalSegmentatorLayout(tmp_path).records()
    assert (z9.id, z9.split, z9.metadata) == ("z9", "test", {"age": "NA", "gender": "f"})
    assert (a1.id, a1.split, a1.metadata) == ("a1", "train", {"gender": "m"})
    assert z9.images == (tmp_path / "z9" / "ct.nii.gz",)
    assert z9.structures["heart"] == MaskFile(tmp_path / "z9" / "segmentations" / "heart.nii.gz")


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
        TotalSegmentatorLayout(tmp_path).records()
    assert expected in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_the_masks_of_a_folder_are_those_that_are_there_when_one_asks(tmp_path: Path):
    root = cases.write_data_set(tmp_path / "data", {"s1": "test"})
    (record,) = TotalSegmentatorLayout(root).records()
    assert list(record.structures) == sorted(cases.BOXES)
    (root / "s1/segmentations/heart.nii.gz").unlink()
    (root / "s1/segmentations/notes.txt").touch()
    assert list(record.structures) == sorted(set(cases.BOXES) - {"heart"})
    assert len(record.structures) == len(cases.BOXES) - 1
    assert dict(MasksIn(tmp_path / "nowhere")) == {}
