"""In how many patients each source is there."""

import numpy as np
import pytest

from agg2exp.report.relations import presence
from tests.unit.analysis.tables import CLASSES
from tests.unit.report.data_sets import data_set, importances

COUNTS = ["patients", "supplied", "present"]


def sizes(data, nodule):
    """Volumes of the sources (N, K, R): some voxels of every class, no aorta in the first case, and a nodule or not."""
    volumes = np.full(data.values.shape, 100.0)
    volumes[0, :, CLASSES.index("aorta")] = 0
    volumes[:, :, -1] = np.array(nodule)[:, None]
    return volumes


def test_a_mask_is_supplied_present_or_neither():
    data = importances(n=4, extra=["nodule"])
    table = presence(data_set(data, volume_voxels=sizes(data, [3, 0, np.nan, np.nan]).ravel())).set_index("source")
    assert list(table.index) == [*CLASSES, "nodule"]
    assert table["extra_mask"].tolist() == [False] * 5 + [True]
    assert table.loc["nodule", COUNTS].tolist() == [4, 2, 1]
    assert table.loc["aorta", COUNTS].tolist() == [4, 4, 3] and table.loc["heart", COUNTS].tolist() == [4, 4, 4]


def test_a_case_without_the_classes_explained_still_has_its_sources():
    data = importances(n=3, targets=["heart"], extra=["nodule"])
    volumes = sizes(data, [3, 5, np.nan])
    data.values[1] = np.nan  # no heart was predicted: no importance, but the volumes of the regions
    table = presence(data_set(data, volume_voxels=volumes.ravel())).set_index("source")
    assert table.loc["nodule", COUNTS].tolist() == [3, 2, 2]
    volumes[1] = np.nan  # nothing is known of the case
    table = presence(data_set(data, volume_voxels=volumes.ravel())).set_index("source")
    assert table.loc["nodule", COUNTS].tolist() == [2, 1, 1] and table.loc["heart", COUNTS].tolist() == [2, 2, 2]


def test_patients_are_counted_and_not_their_scans():
    data = importances(n=6, extra=["nodule"])
    patients = {case: f"p{i // 2}" for i, case in enumerate(data.cases)}
    volumes = sizes(data, [np.nan, 4, 0, 0, np.nan, np.nan])
    table = presence(data_set(data, volume_voxels=volumes.ravel(), patients=patients)).set_index("source")
    assert table.loc["nodule", COUNTS].tolist() == [3, 2, 1]
    assert table.loc["aorta", COUNTS].tolist() == [3, 3, 3]  # in the other scan of the first patient


@pytest.mark.parametrize("classes", [CLASSES, ("heart",)])
def test_without_volumes_a_source_is_there_if_it_has_attribution(classes):
    data = importances(n=4, targets=classes, extra=["nodule"])
    data.values[:, :, -1] = np.array([np.nan, 0, 0.1, 0.2])[:, None]
    data.values[3, 0, -1] = np.nan
    if len(classes) > 1:
        assert presence(data_set(data)).set_index("source").loc["nodule", COUNTS].tolist() == [4, 3, 2]
    else:
        assert presence(data_set(data)).set_index("source").loc["nodule", COUNTS].tolist() == [4, 2, 1]
