"""A cache writes into folders of its own only."""

from pathlib import Path

import numpy as np
import pytest

from agg2exp.domain.errors import SettingError
from agg2exp.store.array_cache import ArrayCache
from agg2exp.store.cache_folder import TAG, check_cache, claim_cache


def entry(folder: Path) -> np.ndarray:
    return ArrayCache(folder).get("scores", {"of": "x"}, lambda: {"a": np.ones(2)})["a"]


@pytest.mark.parametrize("name", ["scan.nii.gz", "labels/liver.nii.gz", "labels/s1-notes.nii.gz", ".hidden", TAG])
def test_a_folder_with_files_of_somebody_else_is_refused_and_stays(tmp_path: Path, name: str):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("theirs")
    for use in (lambda: ArrayCache(tmp_path), lambda: check_cache(tmp_path, "cache"), lambda: entry(tmp_path)):
        with pytest.raises(SettingError, match=r"cache: expected a folder that is new, empty, or holds a cache"):
            use()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def test_files_that_came_after_the_check_are_not_joined_by_ours(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    cache = ArrayCache(tmp_path / "new")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "theirs.txt").touch()
    assert cache.get("scores", {}, lambda: {"a": np.ones(2)})["a"].sum() == 2
    assert "It holds theirs.txt; nothing was changed." in caplog.text
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["theirs.txt"]


def test_a_new_folder_gets_the_tag_and_is_known_by_it(tmp_path: Path):
    folder = tmp_path / "deep" / "cache"
    entry(folder)
    assert (folder / TAG).read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    (folder / "a note of the user").touch()
    entry(folder)


def test_caches_of_earlier_versions_are_known_by_the_names_in_them(tmp_path: Path):
    of_labels, of_scores = f"labels/s0001-{'0a' * 8}.nii.gz", f"faithfulness/{'0f' * 32}.safetensors"
    for name in (of_labels, of_scores, "labels/.writing-1.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    claim_cache(tmp_path, "cache")
    assert (tmp_path / TAG).is_file()
