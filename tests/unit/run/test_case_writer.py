"""One case's trouble stays with that case."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from agg2exp.domain.case import Failure
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.run.case_writer import CaseWriter, FailureWriter, known_classes
from agg2exp.store.failures import FailureLog
from tests.helpers.explanations import scheme, small_case, small_explanation

MODULE = SimpleNamespace(labels=scheme())


class Picky(CaseWriter):
    """Fails on case b, with a message of its own for case c."""

    stage = "picking"

    def __init__(self, output: Path) -> None:
        super().__init__(output)
        self.done: list[str] = []

    def write_case(self, labels, case, explanation):
        if case.id == "b":
            raise OSError("disk is full")
        if case.id == "c":
            raise CaseError("c", "has no labels")
        self.done.append(case.id)


def write(writer: CaseWriter, prediction: object, batch: object) -> None:
    writer.write_on_batch_end(None, MODULE, prediction, None, batch, 0, 0)


def test_other_cases_are_written_and_the_failures_recorded(tmp_path: Path):
    writer = Picky(tmp_path)
    for name in "abcd":
        case = small_case(name)
        write(writer, small_explanation(case), case)
    assert writer.done == ["a", "d"]
    b, c = FailureLog(tmp_path).read()
    assert (b.case_id, b.stage, b.error) == ("b", "picking", "case b: disk is full")
    assert "OSError: disk is full" in b.traceback
    assert c.error == "case c: has no labels"


def test_failed_cases_are_left_to_the_failure_writer(tmp_path: Path):
    failure = Failure("b", "reading", "case b: no file", "Traceback")
    writer = Picky(tmp_path)
    write(writer, failure, failure)
    assert not writer.done
    assert not FailureLog(tmp_path).read()
    FailureWriter(tmp_path).on_predict_batch_end(None, MODULE, failure, failure, 0)
    assert FailureLog(tmp_path).read() == [failure]
    case = small_case()
    FailureWriter(tmp_path).on_predict_batch_end(None, MODULE, small_explanation(case), case, 0)
    assert FailureLog(tmp_path).read() == [failure]


def test_known_classes_names_the_writers_own_setting():
    assert known_classes(scheme(), ["aorta", "lung"], "x.y") == (3, 1)
    assert known_classes(scheme(), "all", "x.y") == (0, 1, 2, 3)
    with pytest.raises(SettingError, match=r"^x\.y: expected 'all' or a list .*'heart'.*, got \['spleen'\]\.$"):
        known_classes(scheme(), ["spleen"], "x.y")
