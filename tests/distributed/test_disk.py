"""A disk that gets full or read-only ends the run with a message; what was finished stays, and resuming completes it.

The disk is a real one of 4 MB, mounted where no other process sees it. Machines that let nobody do so skip the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.runs import CASES, ONE_CASE, Tiny

PRIVATE = ["unshare", "--map-root-user", "--mount"]  # a user and mounts of its own
FULL, LOCKED = "No space left on device", "Read-only file system"


@pytest.fixture(scope="module")
def told(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """How each job of `tests.helpers.small_disk` ended."""
    folder = tmp_path_factory.mktemp("small disk")
    try:
        subprocess.run([*PRIVATE, "mount", "-t", "tmpfs", "none", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine lets us mount no disk of our own ({error})")
    arguments = tiny.explain(*ONE_CASE, "data.limit=3", "trainer=cpu")
    done = subprocess.run(
        [*PRIVATE, sys.executable, "-m", "tests.helpers.small_disk", folder, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("job", "problem"), [("full", FULL), ("full_still", FULL), ("locked", LOCKED)])
def test_the_run_ends_and_says_what_to_do(told, job, problem):
    said = told[job]["said"]
    folder = "full" if problem == FULL else "locked"
    assert told[job]["code"] == 1
    assert f"cannot be written: {problem}. What was finished before is kept in" in said
    assert "Make room, or make the folder writable, and repeat the command with resume=" in said
    assert f"disk/{folder}" in said.rsplit("agg2exp: ", 1)[1].split(" cannot be written")[0]
    assert "Traceback" not in said
    assert told[job]["finished"] == CASES[:1]  # it was read back, too
    assert told[job]["begun"] == (0 if job == "full_still" else 2)  # no third case for nothing


@pytest.mark.parametrize(("job", "problem"), [("full_new", FULL), ("locked_new", LOCKED), ("locked_still", LOCKED)])
def test_a_run_that_cannot_begin_says_what_to_do_last(told, job, problem):
    last = told[job]["said"].rstrip().splitlines()[-1]
    assert told[job]["code"] == 1
    assert problem in last
    assert "make room, or name another one by output=<folder>" in last
    assert told[job]["finished"] == (CASES[:1] if job == "locked_still" else [])


@pytest.mark.parametrize("job", ["full", "full_still", "locked", "locked_still"])
def test_nothing_half_written_is_left(told, job):
    assert told[job]["halves"] == []
    assert told[job]["tables"] == {}


@pytest.mark.parametrize("job", ["resumed", "unlocked"])
def test_resuming_completes_it(told, job):
    assert told["unbroken"]["code"] == told[job]["code"] == 0
    assert told[job]["finished"] == CASES
    assert len(told[job]["tables"]) == 3
    assert told[job]["tables"] == told["unbroken"]["tables"]
