"""Which pictures are drawn; how they look is tested with the figures."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.domain.prediction import Prediction
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.run.pictures import SlicePictures
from tests.helpers.explanations import SHAPE, scheme, small_case, small_explanation

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


@pytest.mark.parametrize("axes", ["LPI", "SRA"])
def test_slices_are_upright_whatever_the_axes_of_the_model(tmp_path: Path, axes: str):
    """The same patient on the grids of two models: the same picture, but for the title."""
    native = Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0]))
    volumes = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(3)).numpy()
    drawings = []
    for letters in ("RAS", axes):
        turned, grid = Preprocessing(letters).image(volumes, native)
        case = Case("a", turned[2:], grid, native, channels=("t1", "flair"), shown=((-1.0, 1.0), (-2.0, 2.0)))
        explanation = replace(
            small_explanation(case, classes=(1,)),
            prediction=Prediction.from_logits(turned[:2], "sigmoid"),
            attribution=DenseAttribution(turned[None, :2]),
        )
        writer = SlicePictures(tmp_path / letters)
        writer.on_predict_start(TRAINER, MODULE)
        writer.write_case(Labels(("whole", "core"), "sigmoid"), case, explanation)
        drawings.append((tmp_path / letters / "figures" / "slices" / "a" / "core.png").read_bytes())
    assert drawings[0] == drawings[1]


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
