"""`output` is where a run is written, `resume` an earlier run that goes on there."""

from __future__ import annotations

from pathlib import Path

import pytest

from agg2exp.store.case_store import CaseStore
from tests.helpers.runs import CASES, ONE_CASE, Tiny, run

CHEAP = [*ONE_CASE, "logger=none"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Relative folders begin here."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said before anything is written."""
    monkeypatch.setattr("tests.helpers.runs.override", lambda *_: words[-1])
    before = sorted(Path.cwd().rglob("*"))
    assert run("explain", words[:-1], Path("unused")).code == 1
    assert sorted(Path.cwd().rglob("*")) == before
    return capsys.readouterr().err


@pytest.mark.parametrize("other", ["resume=new", "hydra.run.dir=new"])
def test_two_settings_name_two_folders(here: Path, other: str, capsys, monkeypatch):
    (here / "old" / ".hydra").mkdir(parents=True)
    said = refused(["output=old", other], capsys, monkeypatch)
    assert f"agg2exp: {other.removesuffix('=new')}: expected the folder that output names (old), or one of" in said


def test_resume_needs_an_earlier_run(capsys, monkeypatch):
    said = refused(["resume=new"], capsys, monkeypatch)
    assert "agg2exp: resume: expected the folder of an earlier run, got 'new'. There is no such folder" in said


@pytest.mark.parametrize("setting", ["output", "resume"])
def test_a_multirun_has_one_folder(setting: str, capsys, monkeypatch):
    said = refused(["-m", "seed=${hydra:job.num}", f"{setting}=a,b"], capsys, monkeypatch)
    assert f"agg2exp: {setting}: expected one folder, below which each job of a multirun has its own, got 'a,b'" in said


def test_a_run_goes_on_under_either_name_and_both(here: Path, tiny: Tiny):
    assert run("explain", tiny.explain(*CHEAP), here / "run").code == 0
    again = tiny.explain(*(word for word in CHEAP if word != "data.limit=1"), "data.limit=2")
    assert run("explain", [*again, "resume=run"], here / "run").code == 0  # relative and absolute are one folder
    assert CaseStore(here / "run").finished() == CASES[:2]
    assert sorted(path.name for path in here.iterdir()) == ["run"]


def test_a_multirun_that_failed_goes_on(here: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch):
    scores = ["-m", *tiny.explain(*CHEAP), "score=sum,mean"]
    assert run("explain", scores, here / "sweep").code == 0
    CaseStore(here / "sweep" / "1").path(CASES[0]).unlink()
    kept = CaseStore(here / "sweep" / "0").path(CASES[0]).stat().st_mtime_ns
    monkeypatch.setattr("tests.helpers.runs.override", lambda *_: f"resume={here / 'sweep'}")
    assert run("explain", scores, here / "sweep").code == 0
    assert CaseStore(here / "sweep" / "1").finished() == CASES[:1]
    assert CaseStore(here / "sweep" / "0").path(CASES[0]).stat().st_mtime_ns == kept
    assert sorted(path.name for path in (here / "sweep").iterdir()) == ["0", "1", "multirun.yaml"]


def test_without_a_name_the_folder_is_named_after_the_time(here: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.helpers.runs.override", lambda *_: "paths.runs=all")
    assert run("explain", tiny.explain(*CHEAP), here / "unused").code == 0
    (folder,) = (here / "all" / "explain").glob("20??-??-??_??-??-??")
    assert CaseStore(folder).finished() == CASES[:1]
