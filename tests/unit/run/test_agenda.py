"""Which cases are left, and who takes which."""

from itertools import chain
from pathlib import Path

import pytest

from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import SettingError
from agg2exp.run.agenda import Agenda

RECORDS = [CaseRecord(case, (Path(f"{case}.nii"),)) for case in "abcde"]
COST = {"a": 1.0, "b": 9.0, "c": 2.0, "d": 3.0, "e": 4.0}


def cost(record: CaseRecord) -> float:
    return COST[record.id]


def test_finished_cases_are_left_out_and_suspects_come_last() -> None:
    agenda = Agenda()
    assert [record.id for record in agenda.left(RECORDS)] == list("abcde")
    agenda.finished, agenda.last = frozenset("d"), {"a": 2, "b": 1}
    assert [record.id for record in agenda.left(RECORDS)] == ["c", "e", "b", "a"]


def test_ranks_share_what_is_left_by_its_cost() -> None:
    agenda = Agenda()
    agenda.finished = frozenset("c")
    shares = agenda.shares(RECORDS, cost, 2)
    assert sorted(chain.from_iterable(shares)) == list("abde")
    assert sorted(sum(COST[case] for case in share) for share in shares) == [8, 9]


def test_more_ranks_than_cases_are_refused() -> None:
    with pytest.raises(SettingError, match=r"trainer\.devices: expected at most one for each of the 5 cases, got 6"):
        Agenda().shares(RECORDS, cost, 6)
