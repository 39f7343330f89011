"""Partitions of a volume into supervoxels, one file per scheme."""

from agg2exp.supervoxels.base import Supervoxels
from agg2exp.supervoxels.cubes import Cubes
from agg2exp.supervoxels.given import Given
from agg2exp.supervoxels.label_map import LabelMap
from agg2exp.supervoxels.semantic import Semantic
from agg2exp.supervoxels.slic import Slic

__all__ = ["Cubes", "Given", "LabelMap", "Semantic", "Slic", "Supervoxels"]
