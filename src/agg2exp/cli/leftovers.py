"""Settings that an experiment makes for an option other than the one chosen."""

from __future__ import annotations

import inspect

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf, open_dict

from agg2exp.cli.data_choice import is_given

OBJECTS: dict[str, dict[str, object] | None] = {"supervoxels": {}, "data.generator": None}
"""Nodes that describe one object, and what they are without one."""
GROUPS = ("metric",)
"""Nodes whose members each describe an object."""
OF_LABEL_MAPS = ("path", "names")
"""Settings of `supervoxels=labelmap` alone."""


def without_leftovers(config: DictConfig) -> DictConfig:
    """The configuration without nodes that hold settings but name no class.

    `experiment=planted_bias supervoxels=none` leaves the path of a label map, `experiment=demo data=totalsegmentator`
    the number of phantoms, `experiment=table1 metric=efficiency` the masks of another metric. With `supervoxels=cubes`
    the path of the label map goes, unless the command line gives it.
    """
    cleaned = config.copy()
    nodes = [*OBJECTS.items(), *((f"{group}.{name}", None) for group in GROUPS for name in config.get(group) or {})]
    for key, nothing in nodes:
        node = OmegaConf.select(cleaned, key)
        if isinstance(node, DictConfig) and len(node) and "_target_" not in node:
            OmegaConf.update(cleaned, key, nothing, merge=False)
    supervoxels = cleaned.get("supervoxels")
    if isinstance(supervoxels, DictConfig) and "_target_" in supervoxels:
        theirs = [name for name in OF_LABEL_MAPS if name in supervoxels and not is_given(f"supervoxels.{name}")]
        known = inspect.signature(get_object(supervoxels["_target_"])).parameters
        with open_dict(supervoxels):
            for name in (name for name in theirs if name not in known):
                del supervoxels[name]
    return cleaned
