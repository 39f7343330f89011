"""Ranks watch each other, so that none waits for ever for one that is gone."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import threading
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from typing import NoReturn

from agg2exp.run.distributed.heartbeat import Pace
from agg2exp.store.ownership import NotOursError, remove

log = logging.getLogger(__name__)

SILENCE = 30  # seconds without a sign of life after which a process counts as stalled
START = 600  # seconds until its first sign of life: it imports a lot, perhaps over a network
GRACE = 20  # seconds for an orderly end
SIGN = "agg2exp"  # a file in the folder of the signs of life that says that the folder is ours


class Watch(threading.Thread):
    """Shows that this rank lives, and looks after others.

    Each second a thread touches a file of its own, so that a long computation does not count as a stall, and looks
    whether the others still touch theirs. That the main thread hangs while this thread runs on, only `pace` can tell.
    Seconds are counted by this thread: the time during which all of them are suspended (Ctrl-Z, a job manager, a closed
    lid) does not count.

    Args:
        folder: Where the files lie, one per rank, on this machine.
        rank: This rank.
        patience: Longest time in seconds between two steps.

    Attributes:
        pace: Is told each step of the main thread.
        problem: Why the run ends; None while all is well.
    """

    def __init__(self, folder: Path, rank: int, patience: int) -> None:
        super().__init__(daemon=True, name=f"watch of rank {rank}")
        self.folder = folder
        self.rank = rank
        self.pace = Pace(patience)
        self.problem: str | None = None
        self._last_seen: dict[int, int] = {}
        self._silent: dict[int, int] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        """Until the end: touch, look, wait a second."""
        while not self._ended.wait(1.0):
            with suppress(OSError):
                (self.folder / str(self.rank)).touch()
            self.problem = self._hang() or self.look()
            if self.problem is not None:
                self.give_up()
                return

    def stop(self) -> None:
        """Look no longer."""
        self._ended.set()

    @abstractmethod
    def look(self) -> str | None:
        """What is wrong with the others."""

    @abstractmethod
    def give_up(self) -> None:
        """End what is left of the run."""

    def silent(self, rank: int) -> bool:
        """Whether a rank has shown no sign of life for too long; to be asked once a second."""
        try:
            seen = (self.folder / str(rank)).stat().st_mtime_ns
        except FileNotFoundError:
            seen = 0
        self._silent[rank] = self._silent.get(rank, 0) + 1 if seen == self._last_seen.get(rank, 0) else 0
        self._last_seen[rank] = seen
        return self._silent[rank] > (SILENCE if seen else START)

    def _end(self) -> NoReturn:
        with suppress(OSError, NotOursError):
            remove(self.folder, lambda folder: (folder / SIGN).is_file())  # rank 0 no longer can
        os._exit(1)

    def _hang(self) -> str | None:
        if not self.pace.hangs():
            return None
        faulthandler.dump_traceback()
        allowed, longest = self.pace.allowed(), self.pace.longest
        why = "trainer.strategy.patience" if allowed == self.pace.patience else f"earlier ones took at most {longest} s"
        where = "where it hangs is written above"
        return f"rank {self.rank} finished no window and no case for {allowed} s ({why}); {where}"


class ParentWatch(Watch):
    """Rank 0 looks after the processes it started."""

    def __init__(self, folder: Path, patience: int, children: Sequence[Popen[bytes]]) -> None:
        super().__init__(folder, 0, patience)
        self.children = children

    def look(self) -> str | None:
        """A child that ended with an error or stalls."""
        for rank, child in enumerate(self.children, start=1):
            code = child.poll()
            if code:
                return f"rank {rank} (process {child.pid}) {_how(code)}"
            if code is None and self.silent(rank):
                return f"rank {rank} (process {child.pid}) stalled: no sign of life for {SILENCE} s"
        return None

    def found(self, seconds: float) -> str | None:
        """What is wrong; a child that just broke a connection needs a moment to end, more on a busy machine."""
        for _ in range(int(10 * seconds)):
            problem = self.problem or self.look()
            if problem is not None or all(child.poll() == 0 for child in self.children):
                return problem
            time.sleep(0.1)
        return self.problem

    def give_up(self) -> None:
        """Kill the children and interrupt the main thread; force the end if it does not come, as in a collective."""
        for child in self.children:
            child.kill()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # wakes it from waiting, too
        time.sleep(GRACE)
        log.error("agg2exp: %s; the run ends. To go on, repeat the command with resume=<its folder>.", self.problem)
        self._end()


class ChildWatch(Watch):
    """Another rank looks after rank 0, which started it."""

    def __init__(self, folder: Path, rank: int, patience: int, parent: int) -> None:
        super().__init__(folder, rank, patience)
        self.parent = parent

    def look(self) -> str | None:
        """Whether rank 0 is gone or stalls."""
        if os.getppid() != self.parent:
            return f"rank 0 (process {self.parent}) is gone"
        if self.silent(0):
            os.kill(self.parent, signal.SIGKILL)
            return f"rank 0 (process {self.parent}) stalled: no sign of life for {SILENCE} s"
        return None

    def give_up(self) -> None:
        """End this process; rank 0 sees it."""
        log.error("agg2exp: %s; rank %d ends, what was finished is kept.", self.problem, self.rank)
        self._end()


def _how(code: int) -> str:
    """An exit status in words."""
    if code == 128 + signal.SIGTERM:
        return "was ended by SIGTERM"
    if code > 0:
        return f"ended with status {code}, its message is above"
    name = signal.Signals(-code).name
    return f"was killed by {name}" + (", perhaps because memory ran out" if name == "SIGKILL" else "")
