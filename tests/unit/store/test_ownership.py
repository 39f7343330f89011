"""What is not ours is neither deleted nor written into."""

import re
from pathlib import Path

import pytest

from agg2exp.domain.errors import SettingError
from agg2exp.store.ownership import DRAFT, NotOursError, check_vacant_or_ours, is_draft, remove

SRC = Path(__file__).parents[3] / "src" / "agg2exp"


def ours(folder: Path) -> bool:
    return (folder / "sign").exists()


def check(folder: Path) -> None:
    check_vacant_or_ours(folder, ours, "data.root", "phantoms", "Choose another.")


def test_only_what_carries_the_sign_is_deleted(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scan").touch()
    with pytest.raises(NotOursError, match="mine was not made by this program and is not deleted"):
        remove(tmp_path / "mine", ours)
    assert (tmp_path / "mine" / "scan").exists()
    (tmp_path / "mine" / "sign").touch()
    remove(tmp_path / "mine", ours)
    assert not (tmp_path / "mine").exists()
    remove(tmp_path / "mine", ours)  # what is not there is no mistake


def test_a_link_is_deleted_and_not_what_it_leads_to(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scan").touch()
    (tmp_path / f"{DRAFT}x").symlink_to(tmp_path / "mine")
    remove(tmp_path / f"{DRAFT}x", is_draft)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "scan"]


def test_new_empty_and_our_own_folders_are_taken(tmp_path: Path):
    check(tmp_path / "new" / "below")
    check(tmp_path)
    (tmp_path / f"{DRAFT}of-another-process").touch()
    check(tmp_path)
    (tmp_path / "sign").touch()
    (tmp_path / "scan").touch()
    check(tmp_path)


@pytest.mark.parametrize("name", ["scan", ".hidden", "signs"])
def test_a_folder_with_somebody_s_files_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).touch()
    with pytest.raises(SettingError, match=f"data.root: .*or holds phantoms, got.*holds {name}; nothing was changed"):
        check(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SettingError, match="file is no folder"):
            check(path)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SettingError, match="link is no folder"):
        check(tmp_path / "link")


def test_deletions_are_in_one_place():
    deleting = re.compile(r"\b(rmtree|unlink|rmdir|os\.remove|removedirs|shutil\.move)\b")
    found = {path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if deleting.search(path.read_text())}
    assert found == {"store/ownership.py"}
