"""A data set of regions that may overlap is analysed like one of exclusive classes, but for joining."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.aggregation.local_importance import local_importance
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.errors import SettingError
from agg2exp.domain.masks import OverlappingMasks
from agg2exp.domain.roi_importance import Kind
from agg2exp.report.data_set import DataSet
from agg2exp.report.relations import presence
from tests.helpers.case_regions import case_regions, overlapping_labels
from tests.unit.report.data_sets import NO_DICE

CASES = ("a", "b", "c")


@pytest.fixture
def data() -> DataSet:
    local = []
    for seed, case in enumerate(CASES):
        g = torch.Generator().manual_seed(seed)
        depth = torch.rand(5, 6, 7, generator=g)
        masks = OverlappingMasks(torch.stack([depth < 0.6, depth < 0.3]))
        attribution = DenseAttribution(torch.randn(2, 1, 5, 6, 7, generator=g))
        found = local_importance(attribution, (0, 1), case_regions(masks, extra={"lump": depth > 0.5}))
        local.append(found.to_frame().assign(case=case))
    return DataSet("x", pd.concat(local, ignore_index=True), NO_DICE, overlapping_labels(2), {})


def test_background_is_a_source_of_every_case_and_the_first(data: DataSet):
    importances = data.importances(Kind.IMPORTANCE)
    assert importances.classes == ("background", "region_1", "region_2")
    assert importances.targets == ("region_1", "region_2")
    np.testing.assert_allclose(importances.values[:, :, 0] + importances.values[:, :, 1], 1)


def test_background_is_no_extra_mask(data: DataSet):
    table = presence(data).set_index("source")["extra_mask"]
    assert table.to_dict() == {"background": False, "region_1": False, "region_2": False, "lump": True}


def test_regions_that_may_overlap_are_not_joined(data: DataSet):
    with pytest.raises(SettingError, match=r"join: expected false for the classes of x: they may overlap"):
        replace(data, join={"both": ["region_1", "region_2"]})
