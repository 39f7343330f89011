"""A model from its parts."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.inference import SlidingWindow
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.preprocessing.base import Preprocessor, provenance_of


def model_of_parts(
    network: nn.Module,
    labels: Sequence[str] | Labels,
    preprocessing: Preprocessor,
    windows: Sequence[int] | SlidingWindow,
    head: str | None = None,
    name: str = "",
) -> SegmentationModel:
    """A model from its parts.

    Args:
        network: (B, C, d, h, w) -> (B, L, d, h, w) logits, with its weights.
        labels: Names of the L classes in the order of the channels; with a softmax head background first.
        preprocessing: What scans go through before the network sees them.
        windows: The size (d, h, w) of its windows, or all about them.
        head: "softmax" or "sigmoid", see `Labels`; None: that of `labels`, else softmax, which the first prediction is
            tested for.
        name: Of the model.

    Raises:
        SettingError: A part is something else; it names the part.
    """
    if isinstance(labels, Labels):
        if head is not None and head != labels.head:
            raise SettingError("head", head, f"that of the labels, {labels.head!r}, or none beside them")
        known = labels
    else:
        known = Labels(labels, head or "softmax")  # type: ignore[arg-type]  # checked there
    return SegmentationModel(
        network,
        known,
        preprocessing,
        windows if isinstance(windows, SlidingWindow) else SlidingWindow(windows),  # type: ignore[arg-type]  # checked there
        name,
        head_is_known=head is not None or isinstance(labels, Labels),
        provenance=provenance_of(preprocessing) if isinstance(preprocessing, Preprocessor) else {},
    )
