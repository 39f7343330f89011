"""Ranks agree on what rank 0 decides, before they meet in a process group."""

import os
import socket
import subprocess
import sys

import pytest

from agg2exp.domain.errors import RankLostError
from agg2exp.run.distributed import agreement
from agg2exp.run.distributed.agreement import STARTED_BY_US, agreed, is_one_of_several

TOLD = "import sys; from agg2exp.run.distributed.agreement import agreed; print(agreed('x', lambda: sys.argv[1], 60))"
MEETING = "import torch.distributed as d; d.init_process_group('gloo'); d.barrier()"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def rank(number: int, port: str, says: str) -> subprocess.Popen[str]:
    ours = {"RANK": str(number), "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-c", f"{TOLD}\n{MEETING}", says]
    return subprocess.Popen(command, env={**os.environ, **ours}, stdout=subprocess.PIPE, text=True)


def test_all_ranks_are_told_what_rank_0_says_and_then_meet_at_the_same_address(port: str):
    ranks = [rank(number, port, says) for number, says in ((2, "two"), (1, "one"), (0, "zero"))]
    said = [process.communicate(timeout=120)[0].strip() for process in ranks]
    assert said == ["zero"] * 3
    assert [process.returncode for process in ranks] == [0, 0, 0]


def test_what_was_agreed_stays(port: str, monkeypatch: pytest.MonkeyPatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items():
        monkeypatch.setenv(name, value)
    assert agreed("y", lambda: "first") == agreed("y", lambda: "second") == "first"
    assert agreed("z", lambda: "another") == "another"
    agreement._kept.clear()


def test_without_rank_0_or_its_address_the_ranks_say_so(port: str, monkeypatch: pytest.MonkeyPatch):
    for name in ("MASTER_ADDR", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(RankLostError, match="expected MASTER_ADDR and MASTER_PORT beside RANK and WORLD_SIZE"):
        agreed("x", str)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", port)
    with pytest.raises(RankLostError, match=rf"rank 1 expected to agree with rank 0 on 'x' at 127\.0\.0\.1:{port}"):
        agreed("x", str, wait=1)


@pytest.mark.parametrize(
    ("environment", "several"),
    [
        ({}, False),
        ({"RANK": "1", "WORLD_SIZE": "2"}, True),
        ({"RANK": "0", "WORLD_SIZE": "1"}, False),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, False),  # started by Lightning, in a folder that is named to it
        ({"RANK": "1", "WORLD_SIZE": "2", STARTED_BY_US: "/tmp"}, False),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, True),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, False),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2", "SLURM_JOB_NAME": "bash"}, False),
    ],
)
def test_who_started_a_process_is_known_by_its_environment(environment: dict[str, str], several: bool):
    assert is_one_of_several(environment) == several
