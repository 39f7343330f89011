"""`meta.csv` as people make it."""

from pathlib import Path

import pytest

from agg2exp.data.layouts.case_table import read_case_table
from agg2exp.domain.errors import DataError

PLAIN = "image_id;age;split\ns1;61;test\ns2;;train\n"
ROWS = [{"image_id": "s1", "age": "61", "split": "test"}, {"image_id": "s2", "age": "", "split": "train"}]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.replace(";", ",").encode(),
        PLAIN.replace(";", "\t").encode(),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace("\n", ";\n").encode(),
        PLAIN.replace("\n", ";\n").replace("split;", "split", 1).encode(),  # rows end with a separator, the header not
        PLAIN.replace(";", " ; ").encode(),
        ("sep=;\r\n" + PLAIN).encode(),
        PLAIN.replace("s1", '"s1"').encode(),
        ("\n" + PLAIN + ";;\n\n").encode(),
    ],
)
def test_one_table_in_every_dialect(tmp_path: Path, content: bytes):
    (tmp_path / "meta.csv").write_bytes(content)
    assert read_case_table(tmp_path / "meta.csv") == ROWS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('image_id;split\n"s1;test\ns2;test"\n', "line 2: expected the fields of one row"),  # two quotes, two cases
        ('image_id;split\ns1;"test\ns2;test"\ns3;test\n', "line 2: expected the fields of one row"),
        ('image_id;split\ns1;te"st\ns2;"test\n', "line 3: expected the fields of one row"),
        ('image_id;split\ns1;"te"st"\n', "line 2: expected the fields of one row"),
        ("image_id;split\ns1;test;\ns2;test\n", "line 2: expected 2 fields, as the header has, got 3"),
        ("image_id;age;split\ns1;61;test\ns2;train\n", "line 3: expected 3 fields, as the header has, got 2"),
        ("image_id;split\ns1;te\0st\n", "line 2: expected text, got the control character U+0000"),
        ("image_id;split\ns1;test\n;test\n", "line 3: expected a name in column 'image_id'"),
        ("image_id;split\ns1;test\n s1 ;test\n", "got 's1' in lines 2, 3"),
        ("image_id;split;split\ns1;test;train\n", "line 1: expected every column once"),
        ("s1;test\ns2;test\n", "expected the columns 'image_id' and 'split'"),
        ("image_id;split\ns1;test\nS1;test\n", "lines 2, 3: expected ids that differ in more than upper and lower"),
        ("image_id;split\n../up;test\n", "line 2: expected the path of a folder beside meta.csv"),
        ("image_id;split\ns1;test\n/etc;test\n", "line 3: expected the path of a folder beside meta.csv"),
        ("image_id;split\ns1;test\n./s1;test\n", "line 3: expected the path of a folder beside meta.csv"),
        ("image_id;split\ns1/;test\n", "line 2: expected the path of a folder beside meta.csv"),
        (f"image_id;split\n{'x' * 300};test\n", "line 2: expected a name of at most 200 bytes"),
        ("image_id;split\na\x1b[31m;test\n", "line 2: expected text, got the control character U+001B"),
        ("image_id;split\na\x85b;test\n", "line 2: expected a name without control characters"),
        ("image_id,a;split\ns1,a;test\n", "line 1: expected one separator"),
        ("", "got an empty file"),
    ],
)
def test_what_could_lose_or_move_a_value_is_refused_by_line(tmp_path: Path, text: str, expected: str):
    (tmp_path / "meta.csv").write_bytes(text.encode())
    with pytest.raises(DataError) as error:
        read_case_table(tmp_path / "meta.csv")
    assert str(error.value).startswith(str(tmp_path / "meta.csv")) and expected in str(error.value)


def test_an_unreadable_table_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"expected a CSV file, got Is a directory"):
        read_case_table(tmp_path)


def test_nested_ids_stay_words(tmp_path: Path):
    (tmp_path / "meta.csv").write_text("image_id;split\nsub-01/ses-1;test\n0012;test\n.hidden;test\n")
    assert [row["image_id"] for row in read_case_table(tmp_path / "meta.csv")] == ["sub-01/ses-1", "0012", ".hidden"]
