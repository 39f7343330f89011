"""Load a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.inference import SlidingWindow
from agg2exp.models.parts import model_of_parts
from agg2exp.models.segmentation_model import PARTS, SegmentationModel
from agg2exp.models.trained import with_weights
from agg2exp.preprocessing.base import Preprocessor


def load_model(
    source: str | Path | None = None,
    *,
    network: nn.Module | None = None,
    labels: Sequence[str] | Labels | None = None,
    preprocessing: Preprocessor | str | None = None,
    windows: Sequence[int] | SlidingWindow | None = None,
    head: str | None = None,
    weights: str | Path | None = None,
) -> SegmentationModel:
    """A segmentation model from its YAML, or from its parts.

    ```python
    load_model("unet")  # a name in conf/model
    load_model("abdomen.yaml", weights="best.safetensors")  # a file like those; its `_target_`s are called
    load_model(network=network, labels=["background", "liver"], preprocessing="ct", windows=(96, 96, 96))
    ```

    Args:
        source: Path of the YAML, ending in .yaml, or a name in conf/model.
        network: (B, C, d, h, w) -> (B, L, d, h, w) logits, with its weights unless `weights` are given.
        labels: Names of the L classes in the order of the channels; with a softmax head background first.
        preprocessing: What scans go through before the network sees them, or a name in conf/model/preprocessing.
        windows: The size (d, h, w) of the network's windows, or all about them.
        head: "softmax" (classes exclude each other) or "sigmoid" (they may overlap); None: softmax, which the first
            prediction is tested for.
        weights: A file of weights; None: those that the YAML names, or that the network has.

    Raises:
        SettingError: Neither a source nor all parts are given, or both, or one of them is something else.
        WeightsError: The weights do not fit.
    """
    parts = {"network": network, "labels": labels, "preprocessing": preprocessing, "windows": windows}
    given = [name for name, part in {**parts, "head": head}.items() if part is not None]
    if source is not None:
        if given:
            raise SettingError("source", str(source), f"a source alone, or parts alone, beside it came {given}")
        from agg2exp.cli.named import named_model

        return named_model(source, weights)
    if network is None or labels is None or preprocessing is None or windows is None:
        missing = [name for name, part in parts.items() if part is None]
        raise SettingError("source", None, f"the path or name of a model's YAML, or {[*PARTS]}; missing are {missing}")
    prepared = _named(preprocessing) if isinstance(preprocessing, str) else preprocessing
    model = model_of_parts(network, labels, prepared, windows, head)
    return model if weights is None else with_weights(model, str(weights))


def _named(preprocessing: str) -> Preprocessor:
    from agg2exp.cli.named import named

    made: Preprocessor = named("model/preprocessing", preprocessing)
    return made
