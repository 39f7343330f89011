"""A folder of scans."""

from pathlib import Path

import pytest

from agg2exp.data.layouts.folder import FolderLayout
from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import MaskFile


def made(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


@pytest.mark.parametrize(
    ("pattern", "files", "ids"),
    [
        ("{case}.nii.gz", ["b.nii.gz", "a.1.nii.gz", "._a.nii.gz", "c.nii", "sub/d.nii.gz"], ["a.1", "b"]),
        ("{case}/image.nii.gz", ["s2/image.nii.gz", "s1/image.nii.gz", "s1/mask.nii.gz", "image.nii.gz"], ["s1", "s2"]),
        ("imagesTs/{case}_0000.nii.gz", ["imagesTs/liver_1_0000.nii.gz", "imagesTs/liver_1_0001.nii.gz"], ["liver_1"]),
        ("{case}/{case}-t1n.nii.gz", ["B-1/B-1-t1n.nii.gz", "B-2/B-1-t1n.nii.gz", "B-1/B-1-t2.nii.gz"], ["B-1"]),
        ("a[0]*/{case}.nii", ["a[0]*/x.nii", "a0b/y.nii"], ["x"]),
    ],
)
def test_every_file_that_fits_is_a_case(tmp_path: Path, pattern: str, files: list[str], ids: list[str]):
    layout = FolderLayout(made(tmp_path, *files), pattern)
    assert [record.id for record in layout.records()] == ids
    for record in layout.records():
        assert record.images == (tmp_path / pattern.replace("{case}", record.id),)
        assert record.images[0].is_file()
        assert (record.split, record.channels, dict(record.structures)) == ("", (), {})


def test_channels_and_structures_have_patterns_and_names(tmp_path: Path):
    made(tmp_path, "s1/t1.nii", "s2/t1.nii", "s2/flair.nii")
    layout = FolderLayout(
        tmp_path,
        {"flair": "{case}/t1.nii", "t1": "{case}/flair.nii"},
        {"tumour": "{case}/seg.nii.gz#1", "brain": "masks/{case}.nii"},
    )
    one, two = layout.records()  # s1 lacks a channel, which is its failure when it is read
    assert one.channels == two.channels == ("flair", "t1")
    assert one.images == (tmp_path / "s1/t1.nii", tmp_path / "s1/flair.nii")
    assert two.structures == {
        "tumour": MaskFile(tmp_path / "s2/seg.nii.gz", 1),
        "brain": MaskFile(tmp_path / "masks/s2.nii"),
    }


def test_a_table_gives_splits_and_facts(tmp_path: Path):
    made(tmp_path, "a.nii.gz", "b.nii.gz")
    (tmp_path / "facts.csv").write_text("image_id,age,split\nb,61,test\nz,3,train\n")
    a, b = FolderLayout(tmp_path, table="facts.csv").records()
    assert (a.split, a.metadata) == ("", {})
    assert (b.split, b.metadata) == ("test", {"age": "61"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": "scan.nii.gz"}, r"layout\.images: expected a path that contains \{case\}"),
        ({"images": "../{case}.nii.gz"}, r"layout\.images: expected a path below data\.root"),
        ({"images": {}}, r"layout\.images"),
        ({"images": {"t1": "t1.nii"}}, r"layout\.images\.t1"),
        ({"structures": {"liver": "{case}.nii#0"}}, r"layout\.structures\.liver: expected a label"),
        ({"table": "nowhere.csv"}, r"layout\.table: .*nowhere\.csv"),
        ({"table": "ids.csv"}, r"layout\.table: .*'image_id'"),
        ({"images": "{case}.mha"}, r"data\.root: expected a folder with files \{case\}\.mha"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, settings: dict, message: str):
    made(tmp_path, "a.nii.gz")
    (tmp_path / "ids.csv").write_text("id,age\na,3\n")
    with pytest.raises(SettingError, match=message):
        FolderLayout(tmp_path, **settings).records()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(SettingError, match=r"data\.root: .*nowhere.*no folder"):
        FolderLayout(tmp_path / "nowhere").records()
