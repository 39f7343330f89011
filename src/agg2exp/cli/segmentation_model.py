"""The model that the node `model` of a configuration describes."""

from __future__ import annotations

import json
from typing import Any

from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.application import JobError, build
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.models.segmentation_model import PARTS, SegmentationModel
from agg2exp.models.trained import with_weights
from agg2exp.models.weights_file import WeightsError
from agg2exp.preprocessing.base import provenance_of

BESIDE = ("name", "head", "weights")
MOVED = {
    "spacing": "preprocessing.spacing",
    "hu_range": "preprocessing.intensity (low, high)",
    "window": "windows.size",
}
"""What earlier versions called parts of a model."""


def labels_of(config: DictConfig) -> Labels:
    """The classes of the model, and its head: softmax if that is not said.

    Raises:
        JobError: They are no list of names, or the head is unknown.
    """
    classes = _plain(OmegaConf.select(config, "model.labels"))
    try:
        return Labels(classes, OmegaConf.select(config, "model.head") or "softmax")
    except SettingError as error:
        raise JobError(f"agg2exp: model.{error}") from error


def untrained_model(config: DictConfig) -> SegmentationModel:
    """The model with its network as it is initialised.

    Raises:
        JobError: A part is missing, or a setting is wrong.
    """
    for name, value in (config.model or {}).items():
        if name not in (*PARTS, *BESIDE):
            known = f"nothing of this name beside {', '.join((*PARTS, *BESIDE))}"
            moved = f"It is model.{MOVED[name]} now." if name in MOVED else ""
            raise JobError(f"agg2exp: {SettingError(f'model.{name}', _plain(value), known, moved)}")
    missing = [name for name in PARTS if OmegaConf.select(config, f"model.{name}") is None]
    if missing:
        raise JobError(
            f"agg2exp: model: expected {', '.join(PARTS)}, got no {', '.join(missing)}. A YAML of a model names them, "
            "as conf/model/unet.yaml does."
        )
    try:
        preprocessing = build(config, "model.preprocessing")
        return SegmentationModel(
            build(config, "model.network"),
            labels_of(config),
            preprocessing,
            build(config, "model.windows"),
            str(OmegaConf.select(config, "model.name") or ""),
            head_is_known=bool(OmegaConf.select(config, "model.head")),
            provenance={"network": _as_text(config, "model.network"), **provenance_of(preprocessing)},
        )
    except SettingError as error:
        raise JobError(f"agg2exp: model.{error}") from error


def trained_model(config: DictConfig) -> SegmentationModel:
    """The model with its weights.

    Raises:
        JobError: A setting is wrong, or the weights do not fit.
    """
    model = untrained_model(config)
    return loaded(model, OmegaConf.select(config, "model.weights"), "model.weights")


def loaded(model: SegmentationModel, weights: str | None, setting: str) -> SegmentationModel:
    """The same model with weights, see `with_weights`.

    Args:
        model: The model.
        weights: As `load_weights` takes them.
        setting: Their setting, for the message.

    Raises:
        JobError: There are none, or they do not fit.
    """
    try:
        return with_weights(model, weights)
    except SettingError as error:
        raise JobError(f"agg2exp: {setting}{str(error).removeprefix(error.setting)}") from error
    except WeightsError as error:
        raise JobError(f"agg2exp: {setting}: {error}") from error


def _as_text(config: DictConfig, key: str) -> str:
    """A node of the configuration, resolved, as JSON; the order of its entries does not matter."""
    return json.dumps(_plain(OmegaConf.select(config, key)), sort_keys=True)


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
