"""Which cases a run is about is kept in their order, and read as data."""

from pathlib import Path

import pytest

from agg2exp.domain.errors import DataError
from agg2exp.store.expected_cases import PLACE, read_expected, write_expected


def test_ids_return_in_their_order(tmp_path: Path):
    assert read_expected(tmp_path) == []
    write_expected(tmp_path, ["s2", "sub-01/é", "s1"])
    assert read_expected(tmp_path) == ["s2", "sub-01/é", "s1"]


@pytest.mark.parametrize("content", ["{", "[1]", '{"a": 1}', "[" * 100_000])
def test_what_is_no_list_of_ids_is_refused(tmp_path: Path, content: str):
    (tmp_path / PLACE).parent.mkdir()
    (tmp_path / PLACE).write_text(content)
    with pytest.raises(DataError, match=r"expected\.json: expected a list of case ids"):
        read_expected(tmp_path)
