"""What rank 0 decides and the other ranks are told, before they meet in a process group.

Ranks that a job manager started (torchrun, SLURM, or anything that sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT)
have one address in common. The store of key and value that torch keeps there is open before the ranks meet: torchrun's
own where there is one, else that of rank 0, which the process group then goes on using.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta

from torch._C._distributed_c10d import TCPStore
from torch.distributed import DistStoreError

from agg2exp.domain.errors import RankLostError
from agg2exp.store.rank import rank

WAIT = 600  # seconds until rank 0 has decided; it imports a lot, perhaps over a network
STARTED_BY_US = "AGG2EXP_SIGNS_OF_LIFE"
"""Is set for the ranks that our own launcher starts, in a folder that it names to them."""
AGENT = "TORCHELASTIC_USE_AGENT_STORE"
INTERACTIVE = ("bash", "interactive")
"""Names of SLURM jobs in which processes are started by hand."""

_kept: list[TCPStore] = []  # rank 0's answers others until the process ends


def is_one_of_several(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a job manager started this process as one of several ranks."""
    if STARTED_BY_US in environment:
        return False
    if "RANK" in environment and environment.get("WORLD_SIZE", "").isdecimal():
        return int(environment["WORLD_SIZE"]) > 1
    by_slurm = "SLURM_PROCID" in environment and environment.get("SLURM_JOB_NAME") not in INTERACTIVE
    return by_slurm and int(environment.get("SLURM_NTASKS", "1")) > 1


def agreed(name: str, decide: Callable[[], str], wait: float = WAIT) -> str:
    """What rank 0 decided, on all ranks; ranks that torchrun starts again are told the same as before.

    Args:
        name: What is decided.
        decide: Called by rank 0.
        wait: Longest time in seconds until rank 0 has decided.

    Raises:
        RankLostError: Rank 0 was not there in time, or its address is not known.
    """
    host, port = _address()
    key, first = f"agg2exp/{name}", rank() == 0
    try:
        store = TCPStore(
            host,
            port,
            is_master=first and os.environ.get(AGENT) != "True",
            timeout=timedelta(seconds=wait),
            wait_for_workers=False,
            multi_tenant=True,
        )
        if first:
            _kept.append(store)
            return str(store.compare_set(key, "", decide()).decode())
        return str(store.get(key).decode())
    except (DistStoreError, RuntimeError) as error:
        told = " ".join(str(error).split(". ")[0].split())
        raise RankLostError(
            f"rank {rank()} expected to agree with rank 0 on {name!r} at {host}:{port} within {wait:g} s, and did not "
            f"({told}). Give all ranks the same MASTER_ADDR and a MASTER_PORT that nobody else uses."
        ) from error


def _address() -> tuple[str, int]:
    """Where rank 0, or torchrun, listens."""
    if "MASTER_ADDR" in os.environ and os.environ.get("MASTER_PORT", "").isdecimal():
        return os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if "SLURM_PROCID" not in os.environ:
        raise RankLostError(
            "expected MASTER_ADDR and MASTER_PORT beside RANK and WORLD_SIZE, so that the ranks find each other, got "
            "none. Set them as torchrun does, or unset RANK and WORLD_SIZE for a run of one process."
        )
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    slurm = SLURMEnvironment()
    return slurm.main_address, slurm.main_port
