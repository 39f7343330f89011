"""CSV files with what is known of cases, as users have them."""

from pathlib import Path

import pandas as pd
import pytest

from agg2exp.domain.errors import DataError
from agg2exp.store.metadata import read_metadata


def test_metadata_in_any_usual_separator(tmp_path: Path):
    for separator in (",", ";", "\t"):
        path = tmp_path / "meta.csv"
        path.write_text("image_id,age,gender\nc1,60,m\nc2,,f\n".replace(",", separator))
        table = read_metadata(path, None)
        assert list(table.index) == ["c1", "c2"] and list(table) == ["age", "gender"]
        assert table["age"].isna().tolist() == [False, True]
        assert read_metadata(path, "gender").index.tolist() == ["m", "f"]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("id,age\nc1,3\nc1,4\n", None, "expected every name once in column 'id', got 'c1' in lines 2, 3"),
        ("id,age\nc1,3\n,4\n", None, "line 3: expected a name in column 'id', got none"),
        ("id,age\nc1,3\n", "case", r"expected the column 'case' with case ids, got \['id', 'age'\]"),
        ("id,age\nc1,3\n  ,4\n", None, "line 3: expected a name"),
        ("id,age\nc1,3\n c1 ,4\n", None, "got 'c1' in lines 2, 3"),
        ("id,age\nc1,3\nc2,4,5\n", None, "line 3: expected 2 fields, as the header has, got 3 in the row of 'c2'"),
        ("id,age,sex\nc1,3,m\nc2,4\n", None, "line 3: expected 3 fields, as the header has, got 2 in the row of 'c2'"),
        ("", None, "expected a CSV file with a header and rows, got an empty file"),
        ("case,age,age\ns1,1,2\n", None, r"line 1: expected every column once, got several named \['age'\]"),
        ("case,age,case\ns1,1,2\n", None, r"got several named \['case'\]"),
        ("case,,column 2\ns1,1,2\n", None, "expected a name for every column"),
        ("s1,63,m\ns2,61,f\n", None, "expected names of columns in the first line, got '63', which is a value"),
        ("s0,m\ns2,f\n", None, "expected names of columns in the first line, got 's0', which is a value"),
    ],
)
def test_bad_metadata_is_refused(tmp_path: Path, text: str, column: str | None, message: str):
    (tmp_path / "meta.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_metadata(tmp_path / "meta.csv", column, cases=["s0"])


def test_another_encoding_is_refused_with_file_and_line(tmp_path: Path):
    (tmp_path / "meta.csv").write_bytes("id,größe\nc1,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"meta\.csv, line 1: expected a CSV file in UTF-8, got the byte 0xf6"):
        read_metadata(tmp_path / "meta.csv", None)


def test_the_index_of_a_table_that_pandas_wrote_has_no_name(tmp_path: Path):
    pd.DataFrame({"age": [60, 50]}, index=["c1", "c2"]).to_csv(tmp_path / "meta.csv")
    table = read_metadata(tmp_path / "meta.csv", None)
    assert list(table.index) == ["c1", "c2"] and table["age"].tolist() == [60, 50]


@pytest.mark.parametrize("case", ["0012", "12.10", "1e5", "True", "1_2", " 12 ", "NA", "None", "nan"])
def test_ids_are_words_and_other_columns_keep_their_types(tmp_path: Path, case: str):
    (tmp_path / "meta.csv").write_text(f"age,case,who\n60,{case},007\n50,13,008\n", encoding="utf-8-sig")
    table = read_metadata(tmp_path / "meta.csv", "case", "who")
    assert list(table.index) == [case.strip(), "13"]
    assert table["who"].tolist() == ["007", "008"]
    assert table["age"].tolist() == [60, 50]
    assert read_metadata(tmp_path / "meta.csv", "case")["who"].tolist() == [7, 8]


@pytest.mark.parametrize(
    ("text", "cases", "columns"),
    [
        ("case\ns1\ns2\n", ["s1", "s2"], []),
        ("image id;age in years, at scan\ns1;60\ns2;50\n", ["s1", "s2"], ["age in years, at scan"]),
        ("case;weight\ns1;70,5\ns2;80,1\n", ["s1", "s2"], ["weight"]),
        ("image id,sex of patient\ns1,m\n", ["s1"], ["sex of patient"]),
        ('case,remark\ns1,"old; calm"\ns2,"a, b"\n', ["s1", "s2"], ["remark"]),
        ("case,patient\n\ns1,p\n", ["s1"], ["patient"]),
    ],
)
def test_only_a_separator_separates(tmp_path: Path, text: str, cases: list[str], columns: list[str]):
    (tmp_path / "meta.csv").write_text(text)
    table = read_metadata(tmp_path / "meta.csv", None)
    assert list(table.index) == cases and list(table) == columns


def test_blanks_around_words_are_no_part_of_them(tmp_path: Path):
    (tmp_path / "meta.csv").write_text(" case ; sex \n s1 ; m \n s2 ;m\n")
    assert read_metadata(tmp_path / "meta.csv", "case")["sex"].tolist() == ["m", "m"]


@pytest.mark.parametrize("value", ["9" * 400, "1e999", "-" * 50, "0x1F", "1_0", "١٢", "2020-02-30", "=1+1"])
def test_whatever_stands_in_a_field_is_read(tmp_path: Path, value: str):
    (tmp_path / "meta.csv").write_text(f"case,x\ns1,{value}\ns2,\n", encoding="utf-8")
    assert read_metadata(tmp_path / "meta.csv", None)["x"].notna().tolist() == [True, False]


def test_a_decimal_comma_is_one_where_semicolons_separate(tmp_path: Path):
    path = tmp_path / "meta.csv"
    path.write_text("case;dose;age;place;range\ns1;1,25;63;Ulm, 3;1,5\ns2;-2,5;64;Bonn;1,5-2\ns3;NA;65;Köln;2\n")
    table = read_metadata(path, None)
    assert table["dose"].tolist()[:2] == [1.25, -2.5]
    assert pd.isna(table["dose"]["s3"])
    assert table["age"].tolist() == [63, 64, 65]
    assert table["place"].tolist() == ["Ulm, 3", "Bonn", "Köln"]
    assert table["range"].tolist() == ["1,5", "1,5-2", "2"]
    path.write_text('case,n\ns1,"1,250"\ns2,"2,500"\n')
    assert read_metadata(path, None)["n"].tolist() == ["1,250", "2,500"]  # thousands, or decimals: not guessed
