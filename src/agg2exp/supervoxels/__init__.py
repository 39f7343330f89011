"""Partitions of a volume into supervoxels, one file per scheme."""

from agg2exp.supervoxels.base import Supervoxels
from agg2exp.supervoxels.cubes import Cubes
from agg2exp.supervoxels.semantic import Semantic

__all__ = ["Cubes", "Semantic", "Supervoxels"]
