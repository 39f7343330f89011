"""Settings that an experiment makes for an option other than the one chosen."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

OBJECTS: dict[str, dict[str, object] | None] = {"supervoxels": {}, "data.generator": None}
"""Nodes that describe one object, and what they are without one."""
GROUPS = ("metric",)
"""Nodes whose members each describe an object."""


def without_leftovers(config: DictConfig) -> DictConfig:
    """The configuration without nodes that hold settings but name no class.

    `experiment=planted_bias supervoxels=none` leaves the path of a label map, `experiment=demo data=totalsegmentator`
    the number of phantoms, `experiment=table1 metric=efficiency` the masks of another metric.
    """
    cleaned = config.copy()
    nodes = [*OBJECTS.items(), *((f"{group}.{name}", None) for group in GROUPS for name in config.get(group) or {})]
    for key, nothing in nodes:
        node = OmegaConf.select(cleaned, key)
        if isinstance(node, DictConfig) and len(node) and "_target_" not in node:
            OmegaConf.update(cleaned, key, nothing, merge=False)
    return cleaned
