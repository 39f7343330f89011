"""The configuration as a run keeps it."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from agg2exp.models.checkpoint import SHIPPED

PLACES = ("data.root", "data.cache", "model.weights", "module.cache", "paths.data", "paths.cache", "paths.runs",
          "paths.output", "output", "resume")  # fmt: skip
"""Settings that are paths, relative to the folder that the command is run in."""


def kept(config: DictConfig) -> DictConfig:
    """Resolved, with paths that mean the same wherever they are read."""
    made = OmegaConf.create(OmegaConf.to_container(config, resolve=True))
    for name in PLACES:
        place = OmegaConf.select(made, name)
        if isinstance(place, str) and not place.startswith(SHIPPED):
            OmegaConf.update(made, name, str(Path(place).expanduser().absolute()))
    if not isinstance(made, DictConfig):
        raise TypeError(f"expected a mapping, got {type(made).__name__}")
    return made
