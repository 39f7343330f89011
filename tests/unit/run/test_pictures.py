"""Which pictures are drawn; how they look is tested with the figures."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from agg2exp.domain.errors import SettingError
from agg2exp.run.pictures import SlicePictures
from tests.helpers.explanations import scheme, small_case, small_explanation

MODULE = SimpleNamespace(labels=scheme())
IDS = ["c", "a", "b"]
TRAINER = SimpleNamespace(datamodule=SimpleNamespace(expected=lambda: IDS), is_global_zero=True)


def drawn(folder: Path, absent: tuple[int, ...] = (), **settings: object) -> set[str]:
    writer = SlicePictures(folder, **settings)
    writer.on_predict_start(TRAINER, MODULE)
    for name in IDS:
        case = small_case(name)
        writer.write_case(scheme(), case, small_explanation(case, classes=(1, 2), absent=absent))
    return {str(p.relative_to(folder / "figures" / "slices")) for p in folder.rglob("*.png")}


def test_first_counts_in_the_order_of_the_data_set(tmp_path: Path):
    assert drawn(tmp_path, first=2, classes=["lung"]) == {"c/lung.png", "a/lung.png"}


def test_every_case_and_every_explained_class(tmp_path: Path):
    assert drawn(tmp_path) == {f"{i}/{name}.png" for i in IDS for name in ("lung", "heart")}


def test_class_that_is_not_predicted_has_no_picture(tmp_path: Path):
    assert drawn(tmp_path, absent=(1,), first=1) == {"c/heart.png"}


def test_class_that_is_not_explained_has_no_picture(tmp_path: Path):
    assert drawn(tmp_path, classes=["heart", "aorta"], first=1) == {"c/heart.png"}


def test_unknown_class_is_told_before_the_first_case(tmp_path: Path):
    with pytest.raises(SettingError, match=r"^callbacks\.slices\.classes: .*got \['spleen'\]"):
        SlicePictures(tmp_path, classes=["spleen"]).on_predict_start(TRAINER, MODULE)


@pytest.mark.parametrize("top_fraction", [-0.1, 1.5, "much"])
def test_share_of_voxels_shown_is_checked(tmp_path: Path, top_fraction: object):
    with pytest.raises(SettingError, match="top_fraction: expected a number of at least 0 and at most 1"):
        SlicePictures(tmp_path, top_fraction=top_fraction)
