"""Supervoxels of one's own that know a file, which is no label map."""

from dataclasses import dataclass

from agg2exp.supervoxels import Cubes


@dataclass(frozen=True)
class CubesWithAPath(Cubes):
    """Eight cubes; a path as those have that are learned."""

    name = "cubes_with_a_path"

    n_components: int | None = 8
    path: str = ""
