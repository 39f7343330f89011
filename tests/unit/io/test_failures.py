"""What went wrong with which case."""

import logging
from pathlib import Path

import pandas as pd
import pytest

from agg2exp.domain.case import Failure
from agg2exp.io.failures import FailureLog

FAILURES = [
    Failure("s2", "reading", 'case s2: expected a NIfTI file, found none; "quoted"', "Traceback\n  line, 1\n"),
    Failure("s1", "slice pictures", "case s1: no space", ""),
    Failure("s1", "aggregating", "case s1: NaN", "Traceback …"),
]


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
