"""Files that appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from agg2exp.store.atomic import UnwritableError, atomic_write


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_with_the_end_of_the_block(tmp_path: Path):
    target = tmp_path / "new" / "folder" / "a.csv"
    with atomic_write(target) as path:
        path.write_text("half")
        assert not target.exists()
        path.write_text("whole")
    assert target.read_text() == "whole"
    assert names(target.parent) == ["a.csv"]
    assert target.stat().st_mode & 0o777 == 0o644


def test_a_full_disk_leaves_what_was_there_before(tmp_path: Path):
    target = tmp_path / "a.csv"
    target.write_text("before")
    with pytest.raises(OSError, match="No space"), atomic_write(target) as path:
        path.write_text("hal")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert target.read_text() == "before"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_folder_that_takes_nothing_more_is_named(tmp_path: Path, number: int):
    said = f"{tmp_path} cannot be written: {os.strerror(number)}"
    with pytest.raises(UnwritableError, match=said) as raised, atomic_write(tmp_path / "a.csv"):
        raise OSError(number, os.strerror(number))
    assert raised.value.errno == number
    with pytest.raises(OSError, match="Stale") as other, atomic_write(tmp_path / "a.csv"):
        raise OSError(errno.ESTALE, "Stale file handle")
    assert not isinstance(other.value, UnwritableError)
    assert names(tmp_path) == []


def test_an_interrupted_write_leaves_nothing(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "a.csv") as path:
        path.write_text("hal")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_two_writers_at_once_do_not_mix(tmp_path: Path):
    target = tmp_path / "a.csv"
    with atomic_write(target) as first, atomic_write(target) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert target.read_text() == "first"  # the outer block ends last
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize(("name", "ending"), [("s1.nii.gz", ".nii.gz"), ("s1.2.safetensors", ".safetensors")])
def test_the_sibling_keeps_the_ending_and_is_hidden(tmp_path: Path, name: str, ending: str):
    with atomic_write(tmp_path / name) as path:
        assert path.name.endswith(ending)
        assert path.name.startswith(".")
        assert path.parent == tmp_path
