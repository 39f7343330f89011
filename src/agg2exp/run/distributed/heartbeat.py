"""How long a rank may go without getting anything done before it counts as hanging."""

from __future__ import annotations

from enum import Enum

SHORTEST_PATIENCE = 40
"""Seconds; with those for an orderly end (`agg2exp.run.distributed.watchdog`) no more than a minute."""
FACTOR = 20  # so many times longer than ever before is no longer a slow step


class Doing(Enum):
    """What the main thread is busy with."""

    COMPUTING = "explains a case, window by window"
    READING = "reads or writes a case"
    WAITING = "waits for other ranks, however long they take"


class Pace:
    """Tells a slow main thread from one that hangs, by the steps that it reports.

    While a rank explains its first case, and always while it reads and writes, nothing but `patience` limits the time
    between two steps: a network may have to be compiled, and a shared disk may be away for minutes. After one case the
    longest time between two steps of a case is known. Inside a case, a rank without a step for `FACTOR` times as long,
    and for at least `SHORTEST_PATIENCE` seconds, hangs.

    The main thread reports, another one counts the seconds, and neither writes what the other does.

    Args:
        patience: Longest time in seconds between any two steps.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.longest = 0
        self._now = (0, Doing.WAITING)
        self._learned = False
        self._seen = self._now
        self._idle = 0

    def step(self, doing: Doing | None = None) -> None:
        """The main thread got something done, and goes on with the same or something else."""
        number, before = self._now
        self._now = (number + 1, doing or before)

    def learn(self) -> None:
        """One case was explained: what its steps took is known."""
        self._learned = True

    def allowed(self) -> int:
        """Seconds that the step under way may take."""
        if self._learned and self._seen[1] is Doing.COMPUTING:
            return min(self.patience, max(SHORTEST_PATIENCE, FACTOR * self.longest))
        return self.patience

    def hangs(self) -> bool:
        """To be asked once a second: whether the step under way has taken longer than allowed."""
        now = self._now
        if now != self._seen:
            if self._seen[1] is Doing.COMPUTING:
                self.longest = max(self.longest, self._idle + 1)
            self._seen, self._idle = now, 0
            return False
        self._idle += 1
        return now[1] is not Doing.WAITING and self._idle > self.allowed()
