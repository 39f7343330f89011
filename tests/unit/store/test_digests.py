"""Files and arrays by their content, not by size, time or the end of a compressed file."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from agg2exp.store.digests import arrays_digest, digest, file_digest


def test_a_file_is_known_by_its_bytes_and_not_by_its_time_or_place(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("a", "b", "c"))
    first.write_bytes(b"\0" * 10_000_000 + b"1")
    copy.write_bytes(first.read_bytes())
    other.write_bytes(b"\0" * 10_000_000 + b"2")
    os.utime(copy, ns=(1, 1))
    os.utime(other, ns=(first.stat().st_atime_ns, first.stat().st_mtime_ns))
    assert file_digest(first) == file_digest(copy) != file_digest(other)


def test_all_members_of_a_gzip_file_count(tmp_path: Path) -> None:
    """As bgzip writes them: the last member is empty, and the trailer of the file is the same for all content."""
    end = gzip.compress(b"", mtime=0)
    one, other = (gzip.compress(bytes([value]) * 1000, mtime=0) + end for value in (1, 2))
    assert len(one) == len(other)
    assert one[-8:] == other[-8:]
    (tmp_path / "one.gz").write_bytes(one)
    (tmp_path / "other.gz").write_bytes(other)
    assert file_digest(tmp_path / "one.gz") != file_digest(tmp_path / "other.gz")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nothing"):
        file_digest(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("arrays", "header"),
    [
        ({"x": np.array([1.0, 2.5])}, {"a": "1"}),
        ({"y": np.array([1.0, 2.0])}, {"a": "1"}),
        ({"x": np.array([[1.0, 2.0]])}, {"a": "1"}),
        ({"x": np.array([1.0, 2.0]).view(np.int64)}, {"a": "1"}),
        ({"x": np.array([1.0, 2.0])}, {"a": "2"}),
        ({"x": np.array([1.0, 2.0])}, {}),
    ],
)
def test_arrays_count_by_name_type_shape_values_and_words(arrays: dict, header: dict) -> None:
    first = arrays_digest({"x": np.array([1.0, 2.0])}, {"a": "1"})
    assert arrays_digest({"x": np.array([1.0, 2.0])}, {"a": "1"}) == first
    assert arrays_digest(arrays, header) != first


def test_parts_and_their_order_count() -> None:
    assert len({digest(parts) for parts in ([1, 2], [2, 1], [12], ["1", "2"], [(1, 2)])}) == 5
