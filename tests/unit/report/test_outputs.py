"""Files of an analysis, and whether they may leave the machine."""

from pathlib import Path

import pandas as pd
import pytest

from agg2exp.domain.errors import DataError
from agg2exp.report.outputs import Written, check_data_sets, file_of


@pytest.mark.parametrize(
    ("public", "columns", "leaves"),
    [
        (True, ["target", "mean"], True),
        (False, ["target", "mean"], False),
        (True, ["case", "mean"], False),
        (True, ["patient"], False),
        (True, None, True),
        (False, None, False),
    ],
)
def test_only_what_is_about_no_single_patient_may_leave(public: bool, columns: list[str] | None, leaves: bool):
    table = None if columns is None else pd.DataFrame(columns=columns)
    path = Path("heat_maps/graph/importance.csv" if columns else "heat_maps/graph/importance.png")
    written = Written(path, table, public, "x")
    assert written.may_leave is leaves
    assert written.name == "heat_maps/graph/importance"


def test_what_belongs_to_data_sets_lies_in_files_of_their_names():
    assert file_of("tsv2/smoothgrad data.limit=5") == "tsv2-smoothgrad data.limit=5"
    assert file_of("../../up") == "%2E.-..-up"
    long = file_of("change_" + "\u202e" * 300)
    assert len(long.encode()) <= 200 and long != file_of("change_" + "\u202e" * 301)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/b", "a-b"], "differ in more than '/' and '-'"),
        (["a", "A"], "upper and lower case"),
        (["context.csv"], "without the ending of a file"),
        (["a\x1b[31m"], "control characters"),
        (["x" * 300], "at most 200 bytes"),
        ([""], "not empty"),
    ],
)
def test_names_of_data_sets_that_cannot_be_folders_are_refused(names: list[str], expected: str):
    with pytest.raises(DataError, match=expected):
        check_data_sets(names)
    check_data_sets(["tsv2/smoothgrad", "tsv2/kernel_shap/cubes", "../up"])
