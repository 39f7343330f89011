"""Files of an analysis, and whether they may leave the machine."""

from pathlib import Path

import pandas as pd
import pytest

from agg2exp.report.artefacts import Written


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
    written = Written(path, table, public)
    assert written.may_leave is leaves
    assert written.name == "heat_maps/graph/importance"
