"""One file per case."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save, save_file

from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.files import MaskFile, Origin
from agg2exp.domain.roi_importance import Kind, LocalImportance
from agg2exp.store.case_result import CaseResult, SupervoxelValues
from agg2exp.store.case_store import CaseStore, DamagedResultError, EarlierResultError
from agg2exp.store.digests import arrays_digest

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
        origin=Origin(
            "0" * 64,
            (Path("/data/s1/ct.nii.gz"), Path("/data/s1/pet.nii.gz")),
            {
                "heart": (MaskFile(Path("/data/s1/heart.nii.gz")), MaskFile(Path("/data/s1/atlas.nii.gz"), 51)),
                "lung": (),
            },
            0.5,
        ),
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


def test_importance_by_channel_is_read_as_it_was_written(tmp_path: Path):
    by_channel = np.random.default_rng(4).random((2, 4, 3))
    by_channel[1] = np.nan
    written = result()
    shares = by_channel.sum(axis=1)
    importance = dataclasses.replace(
        written.importance, channels=("t1", "t2", "flair"), by_channel=by_channel, channel_shares=shares
    )
    CaseStore(tmp_path).write(dataclasses.replace(written, importance=importance))
    read = CaseStore(tmp_path).read("s1").importance
    assert read.channels == ("t1", "t2", "flair")
    np.testing.assert_array_equal(read.by_channel, by_channel)
    np.testing.assert_array_equal(read.channel_shares, shares)
    CaseStore(tmp_path).write(written)
    read = CaseStore(tmp_path).read("s1").importance
    assert (read.channels, read.by_channel, read.channel_shares) == ((), None, None)


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


def test_any_changed_bit_of_a_result_is_noticed(tmp_path: Path):
    store = CaseStore(tmp_path)
    store.write(result())
    path = store.path("s1")
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(8, len(content), 150).tolist():
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            read = store.read("s1")
        except DamagedResultError as error:
            assert str(path) in str(error)
        else:  # the padding of the header, or a letter of JSON that means the same
            assert safetensors_equal(read, result())
    path.write_bytes(content)
    store.read("s1")


def safetensors_equal(one: CaseResult, other: CaseResult) -> bool:
    return all(
        np.array_equal(one.importance.values[kind], other.importance.values[kind], equal_nan=True) for kind in Kind
    ) and (one.settings == other.settings)


def rewritten(store: CaseStore, words: dict[str, str]) -> None:
    """The stored file with these words, and their right checksum, in place of its own."""
    path = store.path("s1")
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    path.write_bytes(save(arrays, metadata={**words, "checksum": arrays_digest(arrays, words)}))


@pytest.mark.parametrize("form", [{}, {"format": "1"}, {"format": "3"}, {"format": '"two"'}])
def test_a_result_of_another_format_is_refused_with_who_wrote_it(tmp_path: Path, form: dict[str, str]):
    store = CaseStore(tmp_path)
    store.write(dataclasses.replace(result(), settings={"agg2exp": "0.9 (code 1)"}))
    with safe_open(store.path("s1"), framework="numpy") as file:
        words = {name: value for name, value in file.metadata().items() if name != "checksum"}
    rewritten(store, words)
    store.read("s1")
    rewritten(store, {name: value for name, value in words.items() if name != "format"} | form)
    wrong = r"s1\.safetensors has no format 2, but (1|3|two), as agg2exp 0\.9 \(code 1\) wrote"
    with pytest.raises(EarlierResultError, match=wrong):
        store.read("s1")


def test_a_result_without_a_checksum_is_refused_with_who_wrote_it(tmp_path: Path):
    store = CaseStore(tmp_path)
    for settings, writer in (({"score": "sum"}, "agg2exp 0.1.0, before"), ({"agg2exp": "0.9 (code 1)"}, "agg2exp 0.9")):
        store.write(dataclasses.replace(result(), settings=settings))
        with safe_open(store.path("s1"), framework="numpy") as file:
            words = {name: value for name, value in file.metadata().items() if name != "checksum"}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        store.path("s1").write_bytes(save(arrays, metadata=words))
        with pytest.raises(EarlierResultError, match=rf"no checksum, as {writer}.* wrote it"):
            store.read("s1")
