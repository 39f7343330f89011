"""A step that takes longer than any before by far is a hang; a slow one is not. Seconds are counted, not waited for."""

import pytest

from agg2exp.run.distributed.heartbeat import FACTOR, SHORTEST_PATIENCE, Doing, Pace

PATIENCE = 1800


def seconds_until_hanging(pace: Pace, most: int = 10 * PATIENCE) -> int | None:
    """How long the step under way may take."""
    pace.hangs()  # notices the last step
    return next((second for second in range(most) if pace.hangs()), None)


def explain(pace: Pace, *steps: int) -> None:
    """A case whose steps take so many seconds each."""
    pace.step(Doing.COMPUTING)
    assert not pace.hangs()
    for seconds in steps:
        assert not any(pace.hangs() for _ in range(seconds))
        pace.step()
        assert not pace.hangs()
    pace.step(Doing.READING)
    assert not pace.hangs()


def after(*steps: int) -> Pace:
    """Inside the second case, after one with the given steps."""
    pace = Pace(PATIENCE)
    pace.step(Doing.READING)
    explain(pace, *steps)
    pace.learn()
    pace.step(Doing.COMPUTING)
    return pace


@pytest.mark.parametrize("doing", [Doing.COMPUTING, Doing.READING])
def test_before_anything_is_known_patience_is_the_limit(doing: Doing):
    pace = Pace(PATIENCE)
    pace.step(doing)
    assert seconds_until_hanging(pace) == PATIENCE


def test_a_failed_case_teaches_nothing():
    pace = Pace(PATIENCE)
    explain(pace, 0)
    pace.step(Doing.COMPUTING)
    assert seconds_until_hanging(pace) == PATIENCE


def test_waiting_for_others_is_never_a_hang():
    assert seconds_until_hanging(Pace(PATIENCE)) is None
    pace = after(0)
    pace.step(Doing.WAITING)
    assert seconds_until_hanging(pace) is None


def test_quick_steps_allow_the_least():
    assert seconds_until_hanging(after(0, 0, 1, 0)) == SHORTEST_PATIENCE


@pytest.mark.parametrize("slowest", [5, 18, 60])
def test_slow_steps_allow_a_multiple_of_the_slowest(slowest: int):
    pace = after(1, slowest, 2)
    assert pace.longest == slowest + 1
    assert seconds_until_hanging(pace) == FACTOR * (slowest + 1)


def test_patience_is_never_exceeded():
    assert seconds_until_hanging(after(600)) == PATIENCE
    assert seconds_until_hanging(Pace(3)) is None
    short = Pace(3)
    explain(short, 0)
    short.learn()
    short.step(Doing.COMPUTING)
    assert seconds_until_hanging(short) == 3


def test_reading_and_writing_are_neither_measured_nor_limited_by_steps():
    pace = after(1)
    pace.step(Doing.READING)
    assert not any(pace.hangs() for _ in range(PATIENCE))
    pace.step(Doing.COMPUTING)
    assert seconds_until_hanging(pace) == SHORTEST_PATIENCE
    pace.step(Doing.READING)
    assert seconds_until_hanging(pace) == PATIENCE


def test_the_pace_of_later_cases_counts_too():
    pace = after(1)
    assert not any(pace.hangs() for _ in range(31))
    pace.step()
    assert seconds_until_hanging(pace) == FACTOR * 31


def test_the_step_under_way_does_not_extend_its_own_limit():
    pace = after(1)
    assert seconds_until_hanging(pace) == SHORTEST_PATIENCE
    assert pace.longest == 2
