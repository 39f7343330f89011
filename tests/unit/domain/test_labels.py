"""What a label scheme may say."""

import pytest

from agg2exp.domain.errors import SettingError
from tests.helpers import cases


def test_a_structure_in_two_classes_would_empty_one_of_them():
    classes = {**cases.CLASSES, "vessels": {"group": "cardiovascular", "files": ["vein", "aorta"]}}
    with pytest.raises(SettingError, match=r"every structure file once, got \['aorta'\].*later"):
        cases.scheme(classes)
