"""What a training is made with."""

import pytest

from agg2exp.data.training_cases import TrainingCases
from agg2exp.domain.errors import SettingError
from tests.helpers import cases


def test_overlapping_classes_have_no_label_map_to_draw_patches_from():
    reader = cases.reader(annotation=cases.annotation(classes={"heart": ["heart"]}, head="sigmoid"))
    with pytest.raises(SettingError, match=r"model\.head: expected softmax, since patches .* got 'sigmoid'"):
        TrainingCases(lambda **_: None, reader).loader([])
