"""A folder with a mask for each structure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agg2exp.domain.files import MaskFile


@dataclass(frozen=True)
class MasksIn(Mapping[str, MaskFile]):
    """Masks by the name of their file; the folder is looked into when it is asked, not before.

    Every name has a place, whether a file is there or not; iteration goes over the files that are there.

    Attributes:
        folder: The folder.
        suffix: What follows the name.
    """

    folder: Path
    suffix: str = ".nii.gz"

    def __getitem__(self, name: str) -> MaskFile:
        return MaskFile(self.folder / f"{name}{self.suffix}")

    def __iter__(self) -> Iterator[str]:
        try:
            names = sorted(path.name for path in self.folder.iterdir())
        except OSError:  # not there, or it must not be read, which is the failure of its case
            return iter(())
        return iter([name.removesuffix(self.suffix) for name in names if name.endswith(self.suffix)])

    def __len__(self) -> int:
        return sum(1 for _ in self)
