"""The number of this process among those of one run, and what these have in common."""

from __future__ import annotations

import os
from collections.abc import Mapping

RANK_VARIABLES = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
GROUP_VARIABLES = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID", "SLURM_STEP_ID")
"""Variables that tell a process its rank, and that the processes of one run have in common."""


def rank(environment: Mapping[str, str] = os.environ) -> int:
    """Number of this process among those of one run."""
    return next((int(environment[name]) for name in RANK_VARIABLES if environment.get(name, "").isdecimal()), 0)


def run_group() -> str:
    """What the processes of one run have in common; empty where they are not started by a launcher that says so."""
    values = [os.environ.get(name, "") for name in GROUP_VARIABLES]
    return " ".join(values) if any(values) else ""
