"""One file per case."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.roi_importance import Kind, LocalImportance
from agg2exp.io.case_store import CaseResult, CaseStore, DamagedResultError, SupervoxelValues

TARGETS, SOURCES = ("heart", "lung"), ("background", "heart", "lung", "nodule")


def result(case: str = "s1", seed: int = 0, **settings: str) -> CaseResult:
    rng = np.random.default_rng(seed)
    values = {kind: rng.normal(size=(2, 4)) for kind in Kind}
    values[Kind.MEAN][1, 2] = np.nan
    return CaseResult(
        importance=LocalImportance(case, TARGETS, SOURCES, values, ("ok", "absent from the prediction")),
        classes=("background", "heart", "lung"),
        voxels=np.array([500, 12, 0]),
        dice=np.array([0.9, 0.5, np.nan]),
        iou=np.array([0.8, 1 / 3, np.nan]),
        settings={"method": "gradient", "seed": "0", **settings},
        passes=PassCounts(8, 16),
        seconds=1.25,
    )


def test_a_result_is_read_as_it_was_written(tmp_path: Path):
    store, written = CaseStore(tmp_path), result()
    store.write(written)
    read = CaseStore(tmp_path).read("s1")
    for field in dataclasses.fields(CaseResult):
        if field.name not in ("importance", "voxels", "dice", "iou"):
            assert getattr(read, field.name) == getattr(written, field.name), field.name
    for name in ("voxels", "dice", "iou"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    for name in ("case_id", "targets", "sources", "status"):
        assert getattr(read.importance, name) == getattr(written.importance, name)
    assert set(read.importance.values) == set(Kind)
    for kind in Kind:
        np.testing.assert_array_equal(read.importance.values[kind], written.importance.values[kind])


def test_notes_and_supervoxels_are_read_as_they_were_written(tmp_path: Path):
    rng = np.random.default_rng(3)
    found = SupervoxelValues(np.array([5, 7, 1]), rng.normal(size=(2, 3)), np.full((2, 3), np.nan))
    parts = {
        "notes": {"gap": np.array([0.1, np.nan])},
        "metrics": {"m": np.ones(2)},
        "curves": {"c": rng.normal(size=(2, 5, 2))},
        "efficiency": {"s": np.zeros(2)},
    }
    written = dataclasses.replace(result(), **parts, supervoxels=found)
    CaseStore(tmp_path).write(written)
    read = CaseStore(tmp_path).read("s1")
    for part, values in parts.items():
        assert set(getattr(read, part)) == set(values)
        for name, array in values.items():
            np.testing.assert_array_equal(getattr(read, part)[name], array)
    assert read.supervoxels is not None
    for name in ("voxels", "values", "errors"):
        np.testing.assert_array_equal(getattr(read.supervoxels, name), getattr(found, name))


def test_finished_cases_are_whole_files_only(tmp_path: Path):
    store = CaseStore(tmp_path)
    assert store.finished() == []
    for case in ("s2", "s10", "scan.v2"):
        store.write(result(case))
    (store.folder / ".writing-abc.safetensors").write_bytes(b"half")
    assert store.finished() == ["s10", "s2", "scan.v2"]
    assert store.read("scan.v2").importance.case_id == "scan.v2"


def test_a_result_is_replaced(tmp_path: Path):
    store = CaseStore(tmp_path)
    store.write(result(seed=0))
    store.write(result(seed=1))
    assert len(list(store.folder.iterdir())) == 1
    expected = result(seed=1).importance.values[Kind.MASS]
    np.testing.assert_array_equal(store.read("s1").importance.values[Kind.MASS], expected)


def test_a_failed_write_keeps_the_former_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = CaseStore(tmp_path)
    store.write(result(seed=0))
    before = store.path("s1").read_bytes()

    def full(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        store.write(result(seed=1))
    assert [path.read_bytes() for path in store.folder.iterdir()] == [before]


@pytest.mark.parametrize("keep", [0, 7, 200, -8])
def test_a_damaged_file_is_named(tmp_path: Path, keep: int):
    store = CaseStore(tmp_path)
    store.write(result())
    path = store.path("s1")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedResultError, match=r"s1\.safetensors.*Delete it"):
        store.read("s1")


def test_a_file_of_something_else_is_named(tmp_path: Path):
    store = CaseStore(tmp_path)
    store.folder.mkdir()
    save_file({"weight": np.zeros(3)}, store.path("s1"))
    with pytest.raises(DamagedResultError, match=r"s1\.safetensors"):
        store.read("s1")
    with pytest.raises(DamagedResultError, match=r"s2\.safetensors"):
        store.read("s2")
