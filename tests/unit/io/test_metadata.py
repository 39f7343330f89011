"""CSV files with what is known of cases, as users have them."""

from pathlib import Path

import pandas as pd
import pytest

from agg2exp.domain.errors import DataError
from agg2exp.io.metadata import read_metadata


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
        ("id,age\nc1,3\nc1,4\n", None, r"expected every case id once in column 'id', got \['c1'\]"),
        ("id,age\nc1,3\n,4\n", None, "got none in some rows"),
        ("id,age\nc1,3\n", "case", r"expected the column 'case' with case ids, got \['id', 'age'\]"),
        ("id,age\nc1,3\n  ,4\n", None, "got none in some rows"),
        ("id,age\nc1,3\n c1 ,4\n", None, r"got \['c1'\]"),
        ("id,age\nc1,3\nc2,4,5\n", None, "row of 'c2': expected 2 fields, got 3"),
        ("id,age,sex\nc1,3,m\nc2,4\n", None, "row of 'c2': expected 3 fields, got 2"),
        ("", None, "expected a CSV file with a row per case"),
    ],
)
def test_bad_metadata_is_refused(tmp_path: Path, text: str, column: str | None, message: str):
    (tmp_path / "meta.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_metadata(tmp_path / "meta.csv", column)


def test_another_encoding_is_refused_with_the_file(tmp_path: Path):
    (tmp_path / "meta.csv").write_bytes("id,größe\nc1,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"meta\.csv: expected a CSV file"):
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
