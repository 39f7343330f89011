"""The writer stores a result of each case."""

from pathlib import Path

import numpy as np
import pytest
import torch

from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.domain.roi_importance import Kind
from agg2exp.explaining.case_result import case_result
from agg2exp.run.roi_importance import RoIImportanceWriter
from agg2exp.store.case_store import CaseStore
from tests.helpers.explanations import SHAPE, scheme, small_case, small_explanation


@pytest.mark.parametrize("regions", ["prediction", "label"])
def test_a_case_is_stored_as_its_result_with_the_writers_settings(tmp_path: Path, regions: str):
    label_map = torch.randint(4, SHAPE, generator=torch.Generator().manual_seed(5)).to(torch.int16)
    case = small_case(labels=label_map, annotated=(True, True, False, True))
    explanation = small_explanation(case)
    writer = RoIImportanceWriter(tmp_path, regions, by_distance=regions == "label")
    writer.write_case(scheme(), case, explanation)
    stored = CaseStore(tmp_path).read(case.id)
    expected = case_result(case, explanation, Labels(scheme().classes), regions, regions == "label")
    for kind in Kind:
        np.testing.assert_array_equal(stored.importance.values[kind], expected.importance.values[kind])
    assert stored.settings == expected.settings
    assert writer.settings().items() <= stored.settings.items()


def test_other_regions_are_refused(tmp_path: Path):
    with pytest.raises(SettingError, match="regions: expected one of 'prediction', 'label', got 'both'"):
        RoIImportanceWriter(tmp_path, regions="both")
