"""Ranks that somebody else starts, seconds apart, share one folder, all cases and one ending."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from agg2exp.domain.case import Failure
from agg2exp.store.case_store import CaseStore
from agg2exp.store.failures import FailureLog
from tests.helpers.runs import CASES, ONE_CASE, Tiny

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
LATE = "tests.helpers.late"

Launch = Callable[[list[str], dict[str, str]], tuple[int, str]]


def by_torchrun(words: list[str], environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [*TORCHRUN, LATE, *words], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stderr


def by_hand(words: list[str], environment: dict[str, str]) -> tuple[int, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {**environment, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", LATE, *words],
            env={**common, "RANK": rank, "LOCAL_RANK": rank},
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    said = [rank.communicate(timeout=300)[1] for rank in ranks]
    return max(rank.returncode for rank in ranks), "\n".join(said)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "AGG2EXP_RUNS": str(tmp_path / "runs"), "OMP_NUM_THREADS": "1"}


def words(tiny: Tiny, *more: str) -> list[str]:
    chosen = [*ONE_CASE, "data.limit=null", "trainer=ddp_cpu", "logger=none"]
    return ["explain", *tiny.explain(*chosen), *more]


def tables(folder: Path) -> list[str]:
    return sorted(set(pd.read_parquet(folder / "tables" / "roi_importance.parquet")["case"]))


@pytest.mark.parametrize("launch", [by_torchrun, pytest.param(by_hand, marks=pytest.mark.slow)])
def test_ranks_that_start_three_seconds_apart_share_one_folder(
    tiny: Tiny, tmp_path: Path, environment: dict[str, str], launch: Launch
):
    code, said = launch(words(tiny), environment)
    assert code == 0, said
    (folder,) = (tmp_path / "runs" / "explain").iterdir()
    assert CaseStore(folder).finished() == tables(folder) == CASES


@pytest.mark.slow
def test_a_case_whose_writer_failed_is_tried_again_by_ranks_that_cannot_know(
    tiny: Tiny, tmp_path: Path, environment: dict[str, str]
):
    """Rank 0 forgets the failures when it begins, so that a rank that looks later would count the case as finished."""
    folder = tmp_path / "run"
    assert by_torchrun(words(tiny, f"output={folder}"), environment)[0] == 0
    before = (folder / "tables" / "roi_importance.parquet").read_bytes()
    written = {path.name: path.stat().st_mtime_ns for path in (folder / "cases").iterdir()}
    for case in CASES[1:]:
        FailureLog(folder).record(Failure(case, "volumes", f"case {case}: disk is full", ""))
    code, said = by_torchrun(words(tiny, f"resume={folder}"), environment)
    assert code == 0, said
    again = {path.name for path in (folder / "cases").iterdir() if path.stat().st_mtime_ns != written[path.name]}
    assert again == {f"{case}.safetensors" for case in CASES[1:]}
    assert (folder / "tables" / "roi_importance.parquet").read_bytes() == before
    code, said = by_torchrun(words(tiny, f"resume={folder}"), environment)  # nothing is left to do, and no rank waits
    assert code == 0, said
