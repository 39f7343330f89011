"""Tables from a run are checked as they are read, whoever wrote them."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agg2exp.domain.errors import DataError
from agg2exp.store import stored_tables
from agg2exp.store.stored_tables import (
    NUMBERS,
    SHARES,
    TRUTHS,
    WORDS,
    read_stored_table,
)
from agg2exp.store.tables import write_tables


def test_truths_may_be_missing_and_numbers_may_be_whole(tmp_path: Path):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"name": ["a", "b"], "up": [True, None], "n": [1, 2]}).to_parquet(path)
    table = read_stored_table(path, {"name": WORDS, "up": TRUTHS, "n": NUMBERS}, ("name",))
    assert table["up"].tolist() == [True, None] and table["n"].tolist() == [1, 2]
    pd.DataFrame({"name": ["a"], "up": [None]}).to_parquet(path)
    assert read_stored_table(path, {"name": WORDS, "up": TRUTHS}, ("name",))["up"].isna().all()


def test_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path):
    """Also where the number that it makes is a possible one."""
    table = pd.DataFrame({"name": [f"n{i}" for i in range(99)], "x": np.random.default_rng(0).random(99)})
    path = tmp_path / "table.parquet"
    write_tables(tmp_path, {"table": table})
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            found = read_stored_table(path, {"name": WORDS, "x": NUMBERS}, ("name",))
        except DataError:
            continue
        pd.testing.assert_frame_equal(found, table)


def test_what_is_no_table_is_named_and_nobody_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    os.mkfifo(tmp_path / "pipe.parquet")
    (tmp_path / "folder.parquet").mkdir()
    for name in ("pipe", "folder", "nowhere"):
        with pytest.raises(DataError, match=f"{name}.parquet: expected a table of a finished run, got none"):
            read_stored_table(tmp_path / f"{name}.parquet", {"x": SHARES}, ())
    (tmp_path / "text.parquet").write_text("case,x\n")
    with pytest.raises(DataError, match=r"text\.parquet: expected a table of a finished run, got: "):
        read_stored_table(tmp_path / "text.parquet", {"x": SHARES}, ())
    monkeypatch.setattr(stored_tables, "MOST_ROWS", 2)
    pq.write_table(pa.table({"x": [0.1] * 3}), tmp_path / "long.parquet")
    with pytest.raises(DataError, match="expected at most 2 rows, got 3"):
        read_stored_table(tmp_path / "long.parquet", {"x": SHARES}, ())
