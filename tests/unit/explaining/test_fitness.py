"""A network with other channels than its labels is refused, with what to say instead."""

from __future__ import annotations

import pytest
import torch

from agg2exp.domain.labels import Labels
from agg2exp.explaining.fitness import check_classes
from agg2exp.inference import NetworkError, SlidingWindow, WindowedModel
from tests.helpers.networks import ToyNetwork

IMAGE = torch.rand(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
NAMES = ("background", "whole", "core", "enhancing")


def model(channels: int, head: str) -> WindowedModel:
    return WindowedModel(ToyNetwork(classes=channels), SlidingWindow((8, 8, 8)), head=head)


def test_as_many_channels_as_classes_are_right_whatever_the_head() -> None:
    check_classes(model(4, "softmax"), IMAGE, Labels(NAMES))
    check_classes(model(3, "sigmoid"), IMAGE, Labels(NAMES[1:], "sigmoid"))
    check_classes(model(1, "sigmoid"), IMAGE, Labels(("tumour",), "sigmoid"))


@pytest.mark.parametrize(
    ("channels", "labels", "hint"),
    [
        (6, Labels(NAMES), "6 label channels, but the model has 4 classes (background, whole, core, enhancing). Set"),
        (3, Labels(NAMES), "say `head: sigmoid` and leave background out of the labels"),
        (4, Labels(NAMES[1:], "sigmoid"), "If one of them is background, say `head: softmax` and name it first"),
    ],
)
def test_other_channels_are_refused(channels: int, labels: Labels, hint: str) -> None:
    with pytest.raises(NetworkError) as caught:
        check_classes(model(channels, labels.head), IMAGE, labels)
    assert hint in str(caught.value)
    assert ("head:" in str(caught.value)) == (abs(channels - len(labels)) == 1)
