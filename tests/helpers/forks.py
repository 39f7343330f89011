"""Jobs in processes of their own that have imported everything already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import torch

from tests.helpers.runs import run


def started(
    arguments: Sequence[str], output: Path, said: Path | None = None, job: str = "explain"
) -> ForkServerProcess:
    """A process that explains or trains, with one thread, in a process group of its own; a file gets what it says."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.helpers.forks", "agg2exp.cli.builders", "agg2exp.cli.summary"])
    process = context.Process(target=_job, args=(arguments, output, said, job))
    process.start()
    return process


def _job(arguments: Sequence[str], output: Path, said: Path | None, job: str) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell starts us with Ctrl-C ignored
    if said is not None:
        with said.open("a") as file:
            for stream in (sys.stdout, sys.stderr):
                os.dup2(file.fileno(), stream.fileno())
    os.environ.update(AGG2EXP_JOB=job, OMP_NUM_THREADS="1")  # the first as the dispatcher does
    torch.set_num_threads(1)
    raise SystemExit(run(job, arguments, output).code)
