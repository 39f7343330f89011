"""Which stored cases count as finished."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from agg2exp.cli.resume import finished_cases
from agg2exp.domain.case import Failure
from agg2exp.domain.errors import SettingError
from agg2exp.run.roi_importance import RoIImportanceWriter
from agg2exp.store.failures import FailureLog
from tests.helpers.explanations import scheme, small_case, small_explanation

FILES = dict.fromkeys("abcd", "")


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Cases a, b and c are stored; their common settings."""
    writer = RoIImportanceWriter(tmp_path, by_distance=False)
    for name in "abc":
        case = small_case(name)
        writer.write_case(scheme(), case, small_explanation(case))
    stored = dict(writer.store.read("a").settings)
    del stored["files of the case"]
    return stored


def test_stored_cases_are_finished(tmp_path: Path, settings: dict[str, str]):
    assert finished_cases(tmp_path, settings, FILES) == {"a", "b", "c"}
    assert finished_cases(tmp_path, settings, {"b": "", "d": ""}) == {"b"}
    assert finished_cases(tmp_path / "new", settings, FILES) == frozenset()


def test_half_written_damaged_and_failed_cases_are_not(
    tmp_path: Path, settings: dict[str, str], caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "cases" / "a.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    (tmp_path / "cases" / ".writing-x.safetensors").write_bytes(b"half")
    FailureLog(tmp_path).record(Failure("b", "slice pictures", "case b: disk full", "Traceback"))
    with caplog.at_level(logging.WARNING):
        assert finished_cases(tmp_path, settings, FILES) == {"c"}
    assert "case a is computed again" in caplog.text


def test_other_settings_or_files_never_mix(tmp_path: Path, settings: dict[str, str]):
    with pytest.raises(SettingError, match=r"case a: method: then toy, now other\)"):
        finished_cases(tmp_path, {**settings, "method": "other"}, FILES)
    with pytest.raises(SettingError, match="seed: then None, now 1"):
        finished_cases(tmp_path, {**settings, "seed": "1"}, FILES)
    less = {name: value for name, value in settings.items() if name != "method"}
    with pytest.raises(SettingError, match="method: then toy, now None"):
        finished_cases(tmp_path, less, FILES)
    with pytest.raises(SettingError, match="files of the case: then , now changed"):
        finished_cases(tmp_path, settings, {**FILES, "b": "changed"})


def test_what_was_recorded_of_a_case_is_forgotten_when_it_is_tried_again(tmp_path: Path):
    failures = FailureLog(tmp_path)
    for case in "ab":
        failures.record(Failure(case, "reading", f"case {case}: cut off", ""))
    failures.merge()
    failures.forget(["a"])
    assert [f.case_id for f in failures.merge()] == ["b"]
    failures.forget(["b"])
    assert failures.merge() == []
    assert not (tmp_path / "failures.csv").exists()


def test_a_run_of_an_earlier_version_is_refused_and_stays(tmp_path: Path, settings: dict[str, str]):
    path = tmp_path / "cases" / "b.safetensors"
    with safe_open(path, framework="numpy") as file:
        words = {name: value for name, value in file.metadata().items() if name != "checksum"}
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    save_file(arrays, path, words)
    before = path.read_bytes()
    with pytest.raises(SettingError, match=r"resume: expected a run of this version, .*wrote it\. It stays as it is"):
        finished_cases(tmp_path, settings, FILES)
    assert path.read_bytes() == before
