"""What went wrong with which case."""

import logging
from pathlib import Path

import pandas as pd
import pytest

from agg2exp.domain.case import Failure
from agg2exp.store.failures import FailureLog

FAILURES = [
    Failure("s2", "reading", 'case s2: expected a NIfTI file, found none; "quoted"', "Traceback\n  line, 1\n"),
    Failure("s1", "slice pictures", "case s1: no space", ""),
    Failure("s1", "aggregating", "case s1: NaN", "Traceback …"),
]


@pytest.fixture(autouse=True)
def warnings_are_heard(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever level a library has set before."""
    caplog.set_level(logging.WARNING)


def test_failures_are_merged_sorted_by_case_and_stage(tmp_path: Path):
    log = FailureLog(tmp_path)
    for failure in FAILURES:
        log.record(failure)
    assert FailureLog(tmp_path).merge() == sorted(FAILURES, key=lambda f: (f.case_id, f.stage))
    table = pd.read_csv(tmp_path / "failures.csv", keep_default_na=False)
    assert list(table.columns) == ["case_id", "stage", "error", "traceback"]
    assert list(table.itertuples(index=False, name=None)) == [
        (f.case_id, f.stage, f.error, f.traceback) for f in sorted(FAILURES, key=lambda f: (f.case_id, f.stage))
    ]


def test_the_log_shows_a_failure_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    FailureLog(tmp_path).record(FAILURES[0])
    assert caplog.records[0].levelno == logging.ERROR
    assert FAILURES[0].error in caplog.text


def test_a_case_that_fails_again_at_the_same_stage_counts_once(tmp_path: Path):
    log = FailureLog(tmp_path)
    log.record(Failure("s1", "reading", "first", ""))
    log.record(Failure("s1", "reading", "second", ""))
    assert [f.error for f in log.merge()] == ["second"]


def test_without_failures_there_is_no_file(tmp_path: Path):
    assert FailureLog(tmp_path).merge() == []
    assert list(tmp_path.iterdir()) == []


def test_a_failure_that_cannot_be_written_does_not_stop_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "failures").touch()  # a file where the folder should be
    FailureLog(tmp_path).record(FAILURES[0])
    assert "could not be written" in caplog.text


@pytest.mark.parametrize("content", [b"", b'{"case_id": "s', b"[]", b'{"case_id": "s3"}', b'{"a": 1}', b"\xff", b"3"])
def test_half_written_and_damaged_records_are_read_by_nobody(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
):
    log = FailureLog(tmp_path)
    log.record(FAILURES[0])
    (log.folder / ".writing-0a1b.json").write_bytes(content)  # of a process that was killed while it wrote
    assert log.merge() == FAILURES[:1]
    assert not caplog.text.count("no readable record")
    (log.folder / "s3-reading.json").write_bytes(content)
    assert log.merge() == FAILURES[:1]
    assert "s3-reading.json is no readable record of a failure" in caplog.text
    log.forget(["s2", "s3"])
    assert [path.name for path in sorted(log.folder.iterdir())] == [".writing-0a1b.json", "s3-reading.json"]


def test_a_case_that_is_missing_without_a_record_gets_one(tmp_path: Path):
    log = FailureLog(tmp_path)
    log.record(FAILURES[0])
    found = log.merge({"s2": "there is no result of it", "s9": "there is no result of it"})
    assert [(f.case_id, f.stage) for f in found] == [("s2", "reading"), ("s9", "finishing")]
    table = pd.read_csv(tmp_path / "failures.csv", index_col="case_id")
    assert table.loc["s9", "error"] == "case s9: there is no result of it"


def test_a_table_of_somebody_else_is_not_deleted(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "failures.csv").write_bytes(b"my;own\xfftable\n")
    assert FailureLog(tmp_path).merge() == []
    assert (tmp_path / "failures.csv").exists()
    assert "is not deleted" in caplog.text
