"""Tables that people make, in every dialect."""

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from agg2exp.domain.errors import DataError
from agg2exp.store.spreadsheet import as_csv, for_spreadsheet
from agg2exp.store.tabular import read_text_table

WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8).map(str.strip)
NAMES = st.lists(
    WORDS.filter(lambda word: word and not word.lower().startswith("sep=")), min_size=1, max_size=4, unique=True
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    header = draw(NAMES)
    row = st.lists(WORDS, min_size=len(header), max_size=len(header)).filter(any)
    return [header, *draw(st.lists(row, max_size=4))]


def written(table: list[list[str]], separator: str, end: str, quoting: int, trailing: bool) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator=end, quoting=quoting).writerows(table)
    return file.getvalue() if not trailing else file.getvalue().replace(end, separator + end)


@settings(deadline=None)
@given(
    tables(),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
@example([["a,b", "c"], ["1,2", "3"]], ";", "\n", csv.QUOTE_MINIMAL, False, True, "utf-8")
def test_a_table_in_any_dialect_reads_back_the_same_or_is_refused(
    tmp_path_factory, table, separator, end, quoting, trailing, told, encoding
):
    plain = not any(other in word for row in table for word in row for other in ",;")
    assume(plain or told or quoting == csv.QUOTE_ALL)  # else what separates cannot be known
    path = tmp_path_factory.mktemp("dialect") / "table.csv"
    text = (f"sep={separator}{end}" if told else "") + written(table, separator, end, quoting, trailing)
    path.write_bytes(text.encode(encoding))
    try:
        read = read_text_table(path)
    except DataError as error:
        assert str(path) in str(error)
        assert not plain or '"' in str(table)
        return
    assert [list(read.header), *(list(row.fields) for row in read.rows)] == table
    assert [row.line for row in read.rows] == [n + 2 + told for n in range(len(table) - 1)]


@settings(deadline=None)
@given(st.binary(max_size=80))
@example(b"\xff\xfe")
@example(b'sep="\na')
@example(b"\xef\xbb\xbf")
def test_any_bytes_are_a_table_or_refused(tmp_path_factory, content: bytes):
    path = tmp_path_factory.mktemp("bytes") / "table.csv"
    path.write_bytes(content)
    try:
        table = read_text_table(path)
    except DataError as error:
        assert str(path) in str(error)
        return
    assert table.header and all(len(row.fields) == len(table.header) for row in table.rows)


def test_words_are_written_for_pandas():
    words = [["NA", 'a "b"'], ["", "c, d"]]
    read = pd.read_csv(io.StringIO(as_csv(["x", "y"], words)), dtype=str, keep_default_na=False)
    assert read.to_numpy().tolist() == words


@pytest.mark.parametrize("kind", [object, "string", "category"])
def test_a_spreadsheet_finds_nothing_to_compute_in_a_table(kind):
    table = pd.DataFrame({"case": pd.Series(["=1+1", "s1", None], dtype=kind), "mean": [-0.5, 1.0, None]})
    assert for_spreadsheet(table).to_csv(index=False) == "case,mean\n'=1+1,-0.5\ns1,1.0\n,\n"
    plain = table.iloc[1:]
    assert for_spreadsheet(plain).to_csv() == plain.to_csv()
    assert table["case"].iloc[0] == "=1+1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'"a"\t"b"\n"1"\tx\ty\n"2"\tz\tw\n', r"line 2: expected 2 fields.*got 3.*first column has no name"),
        ("a,b\nx,Zürich\n".encode("latin-1"), r"line 2: expected a CSV file in UTF-8.*0xfc.*iconv -f WINDOWS-1252"),
    ],
)
def test_files_of_other_programs_are_refused_with_what_to_do(content: bytes, said: str, tmp_path: Path):
    path = tmp_path / "meta.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_text_table(path)
