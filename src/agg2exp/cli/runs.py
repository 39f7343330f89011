"""Finished runs among the folders that a user names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from agg2exp.cli.application import JobError
from agg2exp.report.runs import Run


def find_runs(folders: Sequence[Path]) -> list[Run]:
    """The runs in the given folders: each a run, or a sweep whose jobs are runs.

    Raises:
        JobError: A folder does not exist.
    """
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        raise JobError(f"agg2exp: runs: expected folders of finished runs or sweeps, got {missing}.")
    found = []
    for folder in folders:
        for choices in sorted(folder.glob("**/.hydra/hydra.yaml")):
            run = choices.parents[1]
            if (run / "tables").is_dir():
                chosen = OmegaConf.load(choices).hydra.runtime.choices
                method = chosen.attribution
                if chosen.supervoxels != "none" and (run / "tables" / "supervoxels.parquet").is_file():
                    method = f"{method}/{chosen.supervoxels}"
                found.append(Run(run, chosen.data, method))
    return found
