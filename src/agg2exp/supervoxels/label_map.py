"""Supervoxels from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from agg2exp.domain.case import Case
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.files import LabelMapFile
from agg2exp.domain.masks import ClassMasks
from agg2exp.supervoxels.base import Supervoxels
from agg2exp.supervoxels.given import Given


@dataclass(frozen=True)
class LabelMap(Supervoxels):
    """v from a label map on the scan's own grid, for instance an atlas; it is read with the case.

    Every label in the scan is one supervoxel, 0 and negative ones as well; labels of the atlas that the scan lacks have
    none. A label has the same number and name in the results of all cases.

    Attributes:
        path: Relative to the data root or absolute; `{case}` stands for the case's id, and without it all cases share
            one file.
        names: Table of what the labels are called: a CSV with columns `label` and `name`, relative to the data root or
            absolute; the names come with the case.

    Raises:
        SettingError: `path` is no path.
    """

    name: ClassVar[str] = "labelmap"

    path: str
    names: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path:
            raise SettingError("path", self.path, "the path of a label map, such as {case}/atlas.nii.gz")

    @property
    def label_map_file(self) -> LabelMapFile:
        """The file that has to be read with each case."""
        return LabelMapFile(self.path, self.names)

    def __call__(self, image: Tensor, masks: ClassMasks) -> Tensor:
        """Not possible from the image alone.

        Raises:
            SettingError: Always; `for_case` gives the scheme of one case.
        """
        raise SettingError(
            "supervoxels",
            self,
            "supervoxels that the image alone determines",
            "A label map belongs to a case: call for_case(case) first, or give the label map as feature_mask.",
        )

    def for_case(self, case: Case) -> Given:
        """The label map of the case.

        Raises:
            CaseError: The case was read without one.
        """
        if case.label_map is None:
            raise CaseError(
                case.id,
                f"expected the label map {self.path.replace('{case}', case.id)} with the case, got none. "
                "Read the case with it, as a data module does that is given the supervoxels' label_map_file.",
            )
        return Given(case.label_map, case.label_names, quiet=True)  # few scans have every label of an atlas
