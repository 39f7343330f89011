"""Which cases are meant."""

from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agg2exp.data.records import CaseRecord
from agg2exp.data.selection import Selection
from agg2exp.domain.errors import SettingError


def ids(n: int, **settings) -> list[str]:
    records = {str(k): CaseRecord(str(k), (Path(f"{k}.nii"),), split="ab"[k % 2]) for k in range(n)}
    return [record.id for record in Selection(**settings).of(records, "data")]


def test_three_jobs_share_five_cases():
    assert [ids(5, shard=f"{k}/3") for k in (1, 2, 3)] == [["0", "3"], ["1", "4"], ["2"]]


@given(st.integers(1, 40), st.data())
def test_shards_are_disjoint_and_together_all_cases(n: int, data: st.DataObject):
    jobs = data.draw(st.integers(1, n))
    shards = [ids(n, shard=f"{k}/{jobs}") for k in range(1, jobs + 1)]
    assert sorted(chain.from_iterable(shards), key=int) == ids(n)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_split_ids_and_limit_come_before_the_shard():
    assert ids(12, split="b", limit=4, shard="2/2") == ["3", "7"]
    assert ids(12, split="b", cases=["8", "2", "4"], shard="1/2") == ["8", "4"]


def test_a_shard_without_cases_says_how_many_there_are():
    with pytest.raises(SettingError, match=r"data\.shard: expected a shard that has cases: there are 2, got '3/4'"):
        ids(12, limit=2, shard="3/4")


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "1/0", "-1/3", "a/b", "1/3/5", " 1/3", "1/ 3", 2, 0.5, ""])
def test_what_is_no_shard_is_refused(shard: object):
    with pytest.raises(SettingError, match=r"shard: expected k/n with 1 <= k <= n"):
        Selection(shard=shard)


def test_whole_runs_take_all():
    assert ids(4) == ids(4, shard="1/1") == ["0", "1", "2", "3"]
