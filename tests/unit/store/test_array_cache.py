"""Kept arrays: read back, never stale, never half, filled by several processes at once."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from numpy.typing import NDArray

from agg2exp.store.array_cache import ArrayCache
from agg2exp.store.cache_folder import TAG

KEY = {"weights": "abc", "image": "ä µ"}
ARRAYS = {
    "scores": np.random.default_rng(0).normal(size=(5, 3)),
    "labels": np.arange(24, dtype=np.int16).reshape(2, 3, 4).transpose(2, 0, 1),
    "flag": np.array([True, False]),
    "none": np.zeros((0, 3)),
}
RACE = """
import sys, time
from pathlib import Path
import numpy as np
from agg2exp.store.array_cache import ArrayCache

folder, me, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cache = ArrayCache(folder / "cache")
(folder / f"ready{me}").touch()
while not all((folder / f"ready{i}").exists() for i in range(3)):
    time.sleep(0.001)
for n in range(rounds):
    found = cache.get("race", {"n": str(n)}, lambda: {"a": np.full(20000, n, dtype=np.float64)})
    assert found["a"].shape == (20000,) and (found["a"] == n).all()
"""


class Computing:
    """Counts how often it is asked."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]] = ARRAYS) -> None:
        self.arrays, self.calls = arrays, 0

    def __call__(self) -> Mapping[str, NDArray[Any]]:
        self.calls += 1
        return self.arrays


def same(a: Mapping[str, NDArray[Any]], b: Mapping[str, NDArray[Any]]) -> bool:
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a)


def filled(folder: Path, key: Mapping[str, str] = KEY) -> Path:
    ArrayCache(folder).get("kind", key, Computing())
    (path,) = folder.rglob("*.safetensors")
    return path


def test_second_time_is_read(tmp_path: Path) -> None:
    compute = Computing()
    for order in (KEY, dict(reversed(KEY.items()))):
        assert same(ArrayCache(tmp_path / "new" / "folder").get("kind", order, compute), ARRAYS)
    assert compute.calls == 1
    assert [p.parent.name for p in tmp_path.rglob("*.safetensors")] == ["kind"]


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    compute = Computing()
    for _ in range(2):
        assert same(ArrayCache(None).get("kind", KEY, compute), ARRAYS)
    assert compute.calls == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("other", [{**KEY, "weights": "abd"}, {"weights": "abc"}, {**KEY, "seed": "0"}])
def test_other_keys_and_kinds_have_their_own(tmp_path: Path, other: dict[str, str]) -> None:
    filled(tmp_path)
    compute = Computing({"scores": np.ones(2)})
    cache = ArrayCache(tmp_path)
    assert same(cache.get("kind", other, compute), compute.arrays)
    assert same(cache.get("other kind", KEY, compute), compute.arrays)
    assert compute.calls == 2
    assert same(cache.get("kind", KEY, compute), ARRAYS)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1  # of an array, the header knows nothing
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-5]),
    "empty": lambda path: path.write_bytes(b""),
    "other content": lambda path: path.write_text("not ours at all"),
    "one bit": _flip,
    "header": lambda path: path.write_bytes(b"\xff" * 12 + path.read_bytes()[12:]),
    "no metadata": lambda path: __import__("safetensors.numpy").numpy.save_file({"a": np.ones(1)}, path),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", [d for d in DAMAGES if d != "a folder"])
def test_damaged_entries_are_computed_anew_and_reported(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, compute = filled(tmp_path), Computing()
    DAMAGES[damage](path)
    assert same(ArrayCache(tmp_path).get("kind", KEY, compute), ARRAYS)
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert str(path) in caplog.text
    caplog.clear()
    assert same(ArrayCache(tmp_path).get("kind", KEY, compute), ARRAYS)
    assert compute.calls == 1
    assert not caplog.records


def test_stale_entry_under_the_same_name_is_computed_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = filled(tmp_path)
    other = {**KEY, "weights": "other"}
    stale = filled(tmp_path / "elsewhere", other)
    path.write_bytes(stale.read_bytes())
    compute = Computing()
    assert same(ArrayCache(tmp_path).get("kind", KEY, compute), ARRAYS)
    assert compute.calls == 1
    assert "expected the key" in caplog.text


def test_failure_to_compute_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        ArrayCache(tmp_path).get("kind", KEY, lambda: {"a": np.ones(1 // 0)})
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("where", ["write_bytes", "replace"])
def test_full_disk_costs_the_entry_only(tmp_path: Path, where: str, caplog: pytest.LogCaptureFixture) -> None:
    with patch.object(Path, where, side_effect=OSError(28, "No space left on device")):
        assert same(ArrayCache(tmp_path).get("kind", KEY, Computing()), ARRAYS)
    assert "No space left" in caplog.text
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {TAG}


def test_folder_that_cannot_be_written_costs_the_entries_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    assert same(ArrayCache(tmp_path / "file").get("kind", KEY, Computing()), ARRAYS)
    path = filled(tmp_path / "cache")
    DAMAGES["a folder"](path)
    assert same(ArrayCache(tmp_path / "cache").get("kind", KEY, Computing()), ARRAYS)
    assert {r.levelno for r in caplog.records} == {logging.WARNING}


def test_several_processes_fill_the_same_entries(tmp_path: Path) -> None:
    rounds = 60
    processes = [
        subprocess.Popen([sys.executable, "-c", RACE, str(tmp_path), str(me), str(rounds)], stderr=subprocess.PIPE)
        for me in range(3)
    ]
    try:
        ends = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert ends == [(b"", 0)] * 3
    assert len(list((tmp_path / "cache" / "race").iterdir())) == rounds
