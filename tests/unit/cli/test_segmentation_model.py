"""The model that a configuration describes."""

from pathlib import Path

import pytest
import torch

from agg2exp.cli.application import JobError
from agg2exp.cli.segmentation_model import labels_of, loaded, trained_model, untrained_model
from agg2exp.domain.labels import Labels
from agg2exp.models.segmentation_model import SegmentationModel
from tests.helpers.runs import Tiny, composed


def model(tiny: Tiny, folder: Path, *overrides: str) -> SegmentationModel:
    with composed("explain", [*tiny.explain(), *overrides], folder) as config:
        return trained_model(config)


def test_it_has_the_weights_and_says_what_it_was_made_from(tiny: Tiny, tmp_path: Path):
    made = model(tiny, tmp_path)
    assert made.name == "unet" and made.head == "softmax" and made.head_is_known
    assert made.windows.size == (24, 24, 24) and made.preprocessing.spacing == (15.0, 15.0, 15.0)
    assert made.provenance["model: window"] == "[24, 24, 24]" and "UNet" in made.provenance["network"]
    again = model(tiny, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(made.network.parameters(), again.network.parameters(), strict=True))
    with composed("explain", tiny.explain(), tmp_path) as config:
        other = untrained_model(config)
    assert "weights" not in other.provenance
    assert any(
        not torch.equal(a, b) for a, b in zip(made.network.parameters(), other.network.parameters(), strict=True)
    )
    assert loaded(other, str(tiny.weights), "start").provenance == made.provenance


def test_windows_and_preprocessing_are_groups_whose_own_settings_the_model_keeps(tiny: Tiny, tmp_path: Path):
    made = model(tiny, tmp_path, "model/windows=gaussian")
    assert (made.windows.blending, made.windows.overlap, made.windows.size) == ("gaussian", 0.5, (24, 24, 24))
    with composed("explain", [*tiny.explain(), "model/preprocessing=mr_zscore"], tmp_path) as config:
        assert type(untrained_model(config).preprocessing.intensity).__name__ == "ZScore"
        with pytest.raises(JobError, match=r"model\.weights: .*intensity: trained with"):
            trained_model(config)


def test_a_head_that_is_not_said_is_softmax_until_a_prediction_looks_otherwise(tiny: Tiny, tmp_path: Path):
    made = model(tiny, tmp_path, "model.head=null")
    assert made.head == "softmax" and not made.head_is_known
    with composed("explain", ["model.labels=[whole,core]", "model.head=sigmoid"], tmp_path) as config:
        assert labels_of(config) == Labels(("whole", "core"), "sigmoid")


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("model.labels=[heart,heart]", r"model\.labels: expected every class name once"),
        ("model.labels=thorax17", r"model\.labels: expected a list of names.*got 'thorax17'"),
        ("model.head=argmax", r"model\.head: expected one of 'softmax', 'sigmoid', got 'argmax'"),
        ("model.network=null", "model: expected network, labels, preprocessing, windows, got no network"),
        ("model.windows.size=[8,8]", r"model\.windows\.size: expected three whole numbers"),
        ("model.preprocessing.axes=RAX", r"model\.preprocessing\.axes: expected three letters"),
        ("model.weights=null", r"model\.weights: expected a weights file, got None"),
        ("+model.spacing=[1,1,1]", r"model\.spacing: expected nothing .*It is model\.preprocessing\.spacing now"),
        ("+model.window=[8,8,8]", r"model\.window: expected nothing .*It is model\.windows\.size now"),
        ("+model.hu_range=[0,1]", r"model\.hu_range: expected nothing .*It is model\.preprocessing\.intensity"),
        ("+model.preprocesing=null", r"model\.preprocesing: expected nothing of this name beside network, labels"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(tiny: Tiny, tmp_path: Path, override: str, problem: str):
    with pytest.raises(JobError, match=problem):
        model(tiny, tmp_path, override)
