"""Supervoxels say which file they need; nobody guesses it from the name of a setting."""

from dataclasses import dataclass

import pytest
from torch import Tensor

from agg2exp.attribution import KernelShap, VanillaGradient
from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import LabelMapFile
from agg2exp.domain.masks import ClassMasks
from agg2exp.metrics.insertion_deletion import InsertionDeletion
from agg2exp.supervoxels import Cubes, LabelMap, Supervoxels
from agg2exp.supervoxels.asked import label_map_file


@dataclass(frozen=True)
class Learned(Supervoxels):
    """Supervoxels of one's own with a path that is no label map."""

    name = "learned"
    path: str = "weights.safetensors"

    def __call__(self, image: Tensor, masks: ClassMasks) -> Tensor:
        return masks.cells().ids.long()


def test_a_label_map_is_asked_for_by_whoever_uses_it():
    atlas = LabelMap("{case}/atlas.nii.gz", "names.csv")
    file = LabelMapFile("{case}/atlas.nii.gz", "names.csv")
    assert label_map_file([KernelShap(atlas)]) == file
    assert label_map_file([VanillaGradient(), InsertionDeletion(supervoxels=atlas)]) == file
    assert label_map_file([KernelShap(atlas), InsertionDeletion(supervoxels=atlas)]) == file


def test_a_path_alone_is_no_label_map():
    users = KernelShap(Learned()), KernelShap(Cubes(8)), KernelShap(), VanillaGradient()
    assert label_map_file(users) is None


def test_two_different_label_maps_are_refused():
    users = KernelShap(LabelMap("a.nii")), InsertionDeletion(supervoxels=LabelMap("b.nii"))
    with pytest.raises(SettingError, match=r"supervoxels\.path: expected one label map for method and metrics, got"):
        label_map_file(users)
