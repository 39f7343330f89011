"""Tables of what the labels of an atlas are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from agg2exp.data.reading.label_names import read_label_names
from agg2exp.domain.errors import SettingError


@pytest.mark.parametrize(
    "text",
    [
        "label,name\n5,spleen\n-2,Galle ü\n",
        "name;label;volume\nspleen;5;1\nGalle ü;-2;2\n",
        "LabelValue\tName\tColor_R\n5\tspleen\t1\n-2\tGalle ü\t2\n",
    ],
)
def test_names_by_label(tmp_path: Path, text: str):
    path = tmp_path / "names.csv"
    path.write_text(text, encoding="utf-8")
    assert read_label_names(path) == {5: "spleen", -2: "Galle ü"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("number,word\n5,spleen\n", "'number', 'word'"),
        ("label,name\n5.5,spleen\n", "line 2"),
        ("label,name\n5,spleen\n05,liver\n", "line 3"),
        ("label,name\n5,spleen\n5,liver\n", "lines 2, 3"),
        ("label,name\n5\n", "line 2"),
        ("", "names.csv"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str):
    path = tmp_path / "names.csv"
    path.write_text(text)
    with pytest.raises(SettingError, match=said) as caught:
        read_label_names(path)
    assert str(caught.value).startswith("supervoxels.names: ")


def test_a_missing_table(tmp_path: Path):
    with pytest.raises(SettingError, match=r"^supervoxels\.names: .*none\.csv"):
        read_label_names(tmp_path / "none.csv")
