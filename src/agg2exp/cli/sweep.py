"""Jobs of a multirun that would do the same work."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.leaving import DATED, told
from agg2exp.domain.errors import DataError
from agg2exp.store.stored_yaml import read_stored_yaml

NAMING = {"attribution": None, "supervoxels": None, "score": "sum", "model": None}
"""Groups whose choices name a run, unless it is the one given here."""


def is_sweep() -> bool:
    """Whether this is one job of a multirun."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def run_names() -> dict[str, str]:
    """Names of this job for a tracker: the sweep is the group; the name says what was chosen, and the job's number.

    A job without choices is named after its folder. What the user named himself, is not told: choices of his own are
    `own`, and a folder is its date, else a digest of its path, the same for all jobs of a sweep.
    """
    if not HydraConfig.initialized():
        return {}
    settings = HydraConfig.get()
    chosen = settings.runtime.choices
    words = [
        told(str(chosen[group])) for group, usual in NAMING.items() if chosen.get(group) not in (None, "none", usual)
    ]
    if not is_sweep():
        return {"name": "-".join(words) or f"{settings.job.name}-{_folder(settings.runtime.output_dir)}"}
    group = f"{settings.job.name}-{_folder(settings.sweep.dir)}"
    return {"group": group, "name": "-".join([*words, str(settings.job.num)])}


def _folder(path: str) -> str:
    name = Path(path).name
    return name if DATED.fullmatch(name) else hashlib.sha256(str(Path(path).absolute()).encode()).hexdigest()[:8]


def same_work(config: DictConfig, ignoring: str) -> Path | None:
    """Folder of the earlier job of this multirun whose configuration differs at most in the group `ignoring`.

    Jobs that a launcher runs side by side may start before the other has written its configuration; then both run.
    """
    if not is_sweep():
        return None
    settings = HydraConfig.get()
    own = _without(OmegaConf.to_container(config, resolve=False), ignoring)
    for number in range(int(settings.job.num)):
        folder = Path(settings.sweep.dir) / str(number)
        written = folder / str(settings.output_subdir) / "config.yaml"
        try:
            if written.is_file() and _without(read_stored_yaml(written), ignoring) == own:
                return folder
        except DataError:  # half written by a job beside this one, or not by a job at all
            continue
    return None


def _without(content: object, group: str) -> dict[str, object]:
    if not isinstance(content, dict):
        raise DataError(f"expected a mapping, got {type(content).__name__}")
    return {str(k): v for k, v in content.items() if k != group}
