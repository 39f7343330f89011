"""Supervoxels from a label map that comes with the case."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from agg2exp.domain.case import Case, Grid
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.supervoxels import LabelMap

PATH = "{case}/atlas.nii.gz"
SHAPE = (3, 4, 5)
NO_MASKS = ExclusiveMasks(torch.zeros(SHAPE, dtype=torch.int16), 1)


def case(label_map: torch.Tensor | None) -> Case:
    grid = Grid(SHAPE, np.eye(4))
    return Case("s7", torch.zeros(1, *SHAPE), grid, grid, label_map=label_map)


def test_every_label_of_the_case_is_a_supervoxel_and_gaps_are_no_news(caplog: pytest.LogCaptureFixture):
    labels = torch.tensor([-2, 0, 17, 2035])[torch.arange(60).reshape(SHAPE) % 4]
    scan = case(labels)
    with caplog.at_level(logging.DEBUG):
        ids = LabelMap(PATH).for_case(scan)(scan.image, NO_MASKS)
    assert torch.equal(ids, torch.arange(60).reshape(SHAPE) % 4)
    assert caplog.text == ""


def test_the_label_map_moves_with_its_case():
    assert case(torch.zeros(SHAPE, dtype=torch.int64)).to("meta").label_map.is_meta
    assert case(None).to("cpu").label_map is None


def test_a_case_without_one_names_the_file():
    with pytest.raises(CaseError, match=r"^case s7: expected the label map s7/atlas\.nii\.gz .*label_map_file"):
        LabelMap(PATH).for_case(case(None))


def test_a_label_map_of_another_shape_is_refused():
    scan = case(torch.zeros(3, 4, 6, dtype=torch.int64))
    with pytest.raises(SettingError, match=r"\(3, 4, 5\)"):
        LabelMap(PATH).for_case(scan)(scan.image, torch.zeros(SHAPE))


def test_without_a_case_it_says_what_to_do():
    with pytest.raises(SettingError, match=r"^supervoxels: .*LabelMap.*for_case.*feature_mask"):
        LabelMap(PATH)(torch.zeros(1, *SHAPE), torch.zeros(SHAPE))


@pytest.mark.parametrize("path", [None, "", 3])
def test_a_path_is_needed(path: object):
    with pytest.raises(SettingError, match=r"^path: "):
        LabelMap(path)


def test_a_label_has_the_same_number_and_name_in_cases_that_lack_others():
    for labels in ([0, 2, 5, 9], [0, 5, 9], [5, 9]):
        scan = case(torch.tensor(labels)[torch.arange(60).reshape(SHAPE) % len(labels)])
        object.__setattr__(scan, "label_names", {5: "spleen"})
        given = LabelMap(PATH).for_case(scan)
        ids = given(scan.image, NO_MASKS)
        assert torch.equal(given.numbers(NO_MASKS)[ids], scan.label_map)
        assert given.name_of == {5: "spleen"}
