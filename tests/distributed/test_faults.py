"""A rank that raises, is killed, terminated or stalls ends the run within a minute; what was finished stays."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil
import pytest

from agg2exp.store.case_store import CaseStore
from tests.helpers.forks import started
from tests.helpers.runs import CASES, ONE_CASE, Tiny

START = 240  # s for the imports of two processes on a busy machine
FOUR = ["s0002", *CASES]  # two for each rank
TABLES = ("roi_importance", "segmentation", "global_importance")


class TwoRanks:
    """A run of two processes, one of which gets into trouble (`tests.helpers.ranks.Troubled`)."""

    def __init__(
        self, tiny: Tiny, output: Path, trouble: str, at: int = 1, cases: Sequence[str] = CASES[:2], devices: int = 2
    ) -> None:
        self.output = output
        self.journal = output.parent / f"{output.name}.journal"
        self._said = output.parent / f"{output.name}.err"
        self._chosen = [
            *tiny.explain(*ONE_CASE, "data.limit=null", "trainer=ddp_cpu"),
            f"data.cases=[{','.join(cases)}]",
        ]
        self._trouble = output.parent / f"{output.name}.trouble"
        self._trouble.write_text(trouble)
        self._module = ["module._target_=tests.helpers.ranks.Troubled", f"+module.journal={self.journal}",
                        f"+module.trouble={self._trouble}", f"+module.at={at}"]  # fmt: skip
        self.process = self._started(f"trainer.devices={devices}")

    def _started(self, *words: str) -> ForkServerProcess:
        return started([*self._chosen, *self._module, *words], self.output, self._said)

    def ranks(self) -> dict[int, int]:
        """Process ids of the ranks that began a case."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return {int(rank): int(process) for rank, process, _ in map(str.split, lines)}

    def until_one_waits_for_the_other(self) -> dict[int, int]:
        """One rank has finished its case and waits, the other has begun its own."""
        self.until(lambda: len(self.ranks()) == 2 and len(self.kept()) == 1)
        time.sleep(1)
        return self.ranks()

    def until(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + START
        while not happened():
            assert self.process.is_alive(), self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.1)

    def ends(self, seconds: float) -> int | None:
        """Exit status; every process must be gone by then."""
        ranks, end = self.ranks(), time.monotonic() + seconds
        self.process.join(seconds)
        for process in ranks.values():
            while psutil.pid_exists(process):
                assert time.monotonic() < end, f"process {process} is left behind"
                time.sleep(0.1)
        return self.process.exitcode

    def resumed(self) -> list[bytes]:
        """The tables after going on without trouble, on one device."""
        self._trouble.write_text("none")
        process = self._started("trainer.devices=1")
        process.join(START)
        assert process.exitcode == 0, self.said()
        return self.tables()

    def tables(self) -> list[bytes]:
        return [(self.output / "tables" / f"{name}.parquet").read_bytes() for name in TABLES]

    def said(self) -> str:
        return self._said.read_text()

    def kept(self) -> list[str]:
        return CaseStore(self.output).finished()

    def clean_up(self) -> None:
        for process in self.ranks().values():
            if psutil.pid_exists(process) and "agg2exp" in psutil.Process(process).cmdline():
                os.kill(process, signal.SIGKILL)
        self.process.kill()
        self.process.join()


@pytest.fixture
def start(tiny: Tiny, tmp_path: Path) -> Iterator[Callable[..., TwoRanks]]:
    runs: list[TwoRanks] = []

    def begin(*arguments, **named) -> TwoRanks:
        runs.append(TwoRanks(tiny, tmp_path / f"run{len(runs)}", *arguments, **named))
        return runs[-1]

    yield begin
    for one in runs:
        one.clean_up()


def test_a_rank_killed_while_the_other_has_finished(start):
    run = start("busy")
    os.kill(run.until_one_waits_for_the_other()[1], signal.SIGKILL)
    assert run.ends(60) == 1
    assert "rank 1 (process" in run.said()
    assert "was killed by SIGKILL" in run.said()
    assert f"what was finished is kept in {run.output}" in run.said()
    assert "Traceback" not in run.said()
    assert len(run.kept()) == 1


def test_ranks_of_one_machine_listen_on_it_only(start):
    run = start("busy")
    processes = [psutil.Process(process) for process in run.until_one_waits_for_the_other().values()]
    open_ports = [port for process in processes for port in process.net_connections() if port.status == "LISTEN"]
    assert {port.laddr.ip for port in open_ports} <= {"127.0.0.1", "::1"}


def test_rank_0_killed_ends_the_other(start):
    run = start("busy")
    os.kill(run.until_one_waits_for_the_other()[0], signal.SIGKILL)
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
def test_sigterm_ends_the_run_in_order(start):
    """Three runs at once: rank 0 is told while it waits, rank 1 while it waits, and, as SLURM does, all of them."""
    runs = {"rank 0": start("busy"), "rank 1": start("busy", at=0), "all": start("busy")}
    unbroken = start("none", devices=1)
    for to, run in runs.items():
        ranks = run.until_one_waits_for_the_other()
        os.kill(-run.process.pid if to == "all" else ranks[int(to[-1])], signal.SIGTERM)
        assert run.ends(30) == (1 if to == "rank 1" else 128 + signal.SIGTERM), run.said()
        assert f"repeat the command with resume={run.output}" in run.said()
        assert "Traceback" not in run.said()
        assert ("was ended by SIGTERM" in run.said()) == (to == "rank 1")
        assert len(run.kept()) == 1
    assert unbroken.ends(START) == 0
    for run in runs.values():
        assert run.resumed() == unbroken.tables()


@pytest.mark.slow
def test_a_rank_that_stalls_or_hangs(start):
    """Three runs at once: rank 0 is stopped while it waits, rank 1 while it computes; rank 0 hangs in a window."""
    runs = [start("busy"), start("busy")]
    hanging = start("hangs", at=0, cases=FOUR)
    for stopped, run in enumerate(runs):
        os.kill(run.until_one_waits_for_the_other()[stopped], signal.SIGSTOP)
    hanging.until(lambda: len(hanging.kept()) == 3 and len(hanging.journal.read_text().splitlines()) == 4)
    for stopped, run in enumerate(runs):
        assert run.ends(60) == (1 if stopped == 1 else -signal.SIGKILL)
        assert f"rank {stopped} (process" in run.said()
        assert "no sign of life for 30 s" in run.said()
        assert len(run.kept()) == 1
    assert hanging.ends(90) == 1
    told = re.search(
        r"rank 0 finished no window and no case for (\d+) s \(earlier ones took at most (\d+)", hanging.said()
    )
    assert told is not None, hanging.said()
    assert int(told[1]) == max(40, 20 * int(told[2]))
    assert "ranks.py" in hanging.said()  # where it hangs
    assert len(hanging.kept()) == 3
    hanging.resumed()
    assert hanging.kept() == FOUR
