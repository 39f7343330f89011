"""Signs of life, silence, hangs and exit statuses; in processes of their own where a process ends."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from agg2exp.run.distributed import heartbeat as pace
from agg2exp.run.distributed import watchdog as watch
from agg2exp.run.distributed.heartbeat import Doing
from agg2exp.run.distributed.watchdog import ChildWatch, ParentWatch

# A rank whose main thread hangs after one step while its watch runs on.
HANGING = """
import sys, time
from pathlib import Path
from agg2exp.run.distributed.heartbeat import Doing
from agg2exp.run.distributed.watchdog import ChildWatch
import os
w = ChildWatch(Path(sys.argv[1]), 1, patience=1, parent=os.getppid())
w.silent = lambda rank: False
w.pace.step(Doing.READING)
w.start()
time.sleep(60)
"""

# Rank 0: its child ends with a status while it waits, in Python (an interrupt gets through) or not.
WAITING = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell starts us with Ctrl-C ignored
from pathlib import Path
from agg2exp.run.distributed import watchdog as watch
watch.GRACE = 2
child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
w = watch.ParentWatch(Path(sys.argv[1]), 60, [child])
w.start()
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        if sys.argv[2] == "orderly":
            raise SystemExit(f"told: {w.problem}")
"""


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def child(status: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", f"import os, signal\n{status}"])
    process.wait()
    return process


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL, perhaps because memory ran out"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "was killed by SIGTERM"),
        ("os._exit(143)", "was ended by SIGTERM"),
        ("os._exit(3)", "ended with status 3, its message is above"),
    ],
)
def test_the_end_of_a_child_is_told_in_words(tmp_path: Path, end: str, told: str):
    good, bad = child("os._exit(0)"), child(end)
    assert ParentWatch(tmp_path, 60, [good, bad]).look() == f"rank 2 (process {bad.pid}) {told}"


def test_a_child_that_ended_well_is_no_problem(tmp_path: Path):
    looking = ParentWatch(tmp_path, 60, [child("os._exit(0)")])
    assert [looking.look() for _ in range(watch.START + 2)] == [None] * (watch.START + 2)
    assert looking.found(seconds=0.2) is None


def test_silence_counts_from_the_last_sign_of_life(tmp_path: Path):
    looking = ParentWatch(tmp_path, 60, [])
    sign = tmp_path / "1"
    assert not any(looking.silent(1) for _ in range(watch.START))  # it is still starting
    sign.touch()
    assert not any(looking.silent(1) for _ in range(watch.SILENCE + 1))
    os.utime(sign, ns=(1, 1))  # any change is a sign, also to the past: clocks may be set
    assert not any(looking.silent(1) for _ in range(watch.SILENCE + 1))
    assert looking.silent(1)


def test_a_rank_that_never_starts_is_silent_in_the_end(tmp_path: Path):
    looking = ParentWatch(tmp_path, 60, [])
    told = [looking.silent(1) for _ in range(watch.START + 1)]
    assert told == [False] * watch.START + [True]


def test_a_child_sees_that_its_parent_is_gone(tmp_path: Path):
    (tmp_path / "0").touch()
    assert ChildWatch(tmp_path, 1, 60, os.getppid()).look() is None
    assert ChildWatch(tmp_path, 1, 60, 1234567).look() == "rank 0 (process 1234567) is gone"


def test_a_running_watch_shows_signs_of_life_until_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    running = ParentWatch(tmp_path, 1, [])
    monkeypatch.setattr(running, "give_up", lambda: None)
    running.pace.step(Doing.WAITING)  # for others: that is no hang
    running.start()
    time.sleep(3.5)
    first = (tmp_path / "0").stat().st_mtime_ns
    time.sleep(1.5)
    assert (tmp_path / "0").stat().st_mtime_ns > first
    assert running.problem is None
    running.stop()
    running.join(5)
    assert running not in threading.enumerate()


def test_a_hanging_main_thread_ends_its_process_and_shows_where(tmp_path: Path):
    done = python(HANGING, tmp_path)
    assert done.returncode == 1
    assert "rank 1 finished no window and no case for 1 s (trainer.strategy.patience)" in done.stderr
    assert "line 11 in <module>" in done.stderr  # the sleep


def test_rank_0_is_interrupted(tmp_path: Path):
    done = python(WAITING, tmp_path, "orderly")
    assert done.returncode == 1
    assert "ended with status 3" in done.stderr
    assert done.stderr.startswith("told: rank 1 (process")


def test_rank_0_is_forced_to_end_if_it_goes_on(tmp_path: Path):
    done = python(WAITING, tmp_path, "deaf")
    assert done.returncode == 1
    assert "ended with status 3" in done.stderr
    assert "the run ends. To go on, repeat the command with resume=" in done.stderr


def test_an_orderly_end_after_a_hang_comes_within_a_minute():
    assert pace.SHORTEST_PATIENCE + watch.GRACE <= 60
    assert watch.SILENCE + watch.GRACE <= 60
