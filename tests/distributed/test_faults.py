"""A rank that raises, is killed or stalls ends the run within a minute; what was finished stays."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from agg2exp.io.case_store import CaseStore
from tests.helpers.runs import CASES, ONE_CASE, Tiny

START = 240  # s for the imports of two processes on a busy machine


class TwoRanks:
    """A run of two processes on two cases, of which the one of rank 1 never ends if `trouble` is "busy"."""

    def __init__(self, tiny: Tiny, output: Path, trouble: str) -> None:
        self.output = output
        self.journal = output / "journal"
        self._said = output.parent / f"{output.name}.err"
        chosen = tiny.explain(*ONE_CASE, "trainer=ddp_cpu", "data.limit=2")
        module = ["module._target_=tests.helpers.ranks.Troubled", f"+module.trouble={trouble}"]
        words = [*chosen, *module, f"+module.journal={self.journal}", f"hydra.run.dir={output}"]
        with self._said.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agg2exp", "explain", *words],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def ranks(self) -> dict[int, int]:
        """Process ids of the ranks that began a case."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return {int(rank): int(process) for rank, process, _ in map(str.split, lines)}

    def until_rank_1_is_waited_for(self) -> dict[int, int]:
        """Rank 0 has finished its case and waits, rank 1 has begun its own."""
        self._until(lambda: len(self.ranks()) == 2 and len(CaseStore(self.output).finished()) == 1)
        time.sleep(1)
        return self.ranks()

    def _until(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + START
        while not happened():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.1)

    def ends(self, seconds: float) -> int:
        """Exit status; every process must be gone by then."""
        ranks, end = self.ranks(), time.monotonic() + seconds
        code = self.process.wait(seconds)
        for process in ranks.values():
            while psutil.pid_exists(process):
                assert time.monotonic() < end, f"process {process} is left behind"
                time.sleep(0.1)
        return code

    def said(self) -> str:
        return self._said.read_text()

    def kept(self) -> list[str]:
        return CaseStore(self.output).finished()

    def clean_up(self) -> None:
        for process in {self.process.pid, *self.ranks().values()}:
            if psutil.pid_exists(process) and "agg2exp" in psutil.Process(process).cmdline():
                os.kill(process, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def start(tiny: Tiny, tmp_path: Path) -> Iterator[Callable[..., TwoRanks]]:
    runs: list[TwoRanks] = []

    def started(trouble: str) -> TwoRanks:
        runs.append(TwoRanks(tiny, tmp_path / f"run{len(runs)}", trouble))
        return runs[-1]

    yield started
    for one in runs:
        one.clean_up()


def test_a_rank_killed_while_the_other_has_finished(start):
    run = start("busy")
    os.kill(run.until_rank_1_is_waited_for()[1], signal.SIGKILL)
    assert run.ends(60) == 1
    assert "rank 1 (process" in run.said()
    assert "was killed by SIGKILL" in run.said()
    assert f"what was finished is kept in {run.output}" in run.said()
    assert "Traceback" not in run.said()
    assert len(run.kept()) == 1


def test_rank_0_killed_ends_the_other(start):
    run = start("busy")
    os.kill(run.until_rank_1_is_waited_for()[0], signal.SIGKILL)
    assert run.ends(60) == -signal.SIGKILL
    assert len(run.kept()) == 1


def test_a_rank_that_raises(start):
    run = start("raises")
    assert run.ends(START) == 1
    assert "LookupError: a mistake outside of the cases" in run.said()
    assert "rank 1 (process" in run.said()
    assert "ended with status 1" in run.said()
    assert run.kept() in ([], CASES[:1], CASES[1:2])


@pytest.mark.slow
def test_a_rank_that_stalls(start):
    """Two runs at once: in one rank 0 is stopped while it waits, in the other rank 1 while it computes."""
    runs = [start("busy"), start("busy")]
    for stopped, run in enumerate(runs):
        os.kill(run.until_rank_1_is_waited_for()[stopped], signal.SIGSTOP)
    for stopped, run in enumerate(runs):
        assert run.ends(60) == (1 if stopped == 1 else -signal.SIGKILL)
        assert f"rank {stopped} (process" in run.said()
        assert "no sign of life for 30 s" in run.said()
        assert len(run.kept()) == 1
