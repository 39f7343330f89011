"""Weights in and out: strict, without pickle, with the facts a result depends on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from agg2exp.domain.errors import SettingError
from agg2exp.io.atomic import written_whole

log = logging.getLogger(__name__)

SHIPPED = "shipped:"
_SHOWN = 5


class WeightsError(RuntimeError):
    """A checkpoint does not fit the network or the settings of its model."""


@dataclass(frozen=True)
class ModelFacts:
    """What a model was trained on; a checkpoint that records it is checked against the config.

    Attributes:
        classes: Class names in label order.
        spacing: Millimetres.
        window: Voxels.
        hu_range: Hounsfield units scaled to [0, 1].
    """

    classes: tuple[str, ...]
    spacing: tuple[float, ...]
    window: tuple[int, ...]
    hu_range: tuple[float, ...]

    def as_strings(self) -> dict[str, str]:
        """For the header of a safetensors file."""
        return {
            "classes": json.dumps(list(self.classes)),
            "spacing": json.dumps([float(v) for v in self.spacing]),
            "window": json.dumps([int(v) for v in self.window]),
            "hu_range": json.dumps([float(v) for v in self.hu_range]),
        }


def load_weights(network: nn.Module, weights: str | None, facts: ModelFacts) -> str:
    """Load weights into a network, all keys or none.

    Args:
        network: The network.
        weights: A `.safetensors` file; a `.ckpt`, `.pt` or `.pth` file (a state dict, or a Lightning checkpoint of
            `SegmentationModule`); or `shipped:<name>` for a file inside the package.
        facts: The model's config.

    Returns:
        Fingerprint of the weights (sha256 of names and values, 16 hexadecimal digits), whatever file holds them.

    Raises:
        SettingError: `weights` is not given, or there is no such file.
        WeightsError: The file cannot be read without pickle, belongs to another architecture, or was trained on other
            classes, spacing, window or HU range.
    """
    if not weights:
        raise SettingError(
            "model.weights",
            weights,
            "a weights file",
            "An untrained network explains nothing: train one first.",
        )
    path = weights_path(weights)
    state, header = _read(path)
    _check_header(path, header, facts)
    own = network.state_dict()
    missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [
        f"{k}: {tuple(state[k].shape)} in the file, {tuple(own[k].shape)} in the network"
        for k in sorted(own.keys() & state.keys())
        if state[k].shape != own[k].shape
    ]
    if missing or unexpected or shapes:
        raise WeightsError(
            f"{path} does not fit {type(network).__name__}, it comes from another architecture or configuration. "
            f"Missing in the file: {_some(missing)}. Unknown to the network: {_some(unexpected)}. "
            f"Other shapes: {_some(shapes)}. Set model=… (or model.network.…) to what the weights were trained with."
        )
    network.load_state_dict(state)
    return _fingerprint(state)


def save_weights(network: nn.Module, path: Path, facts: ModelFacts) -> None:
    """Write weights with the model's facts and the version of MONAI in the header."""
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    header = {**facts.as_strings(), "monai": version("monai"), "network": type(network).__name__}
    with written_whole(path) as temporary:
        save_file(state, temporary, metadata=header)


def _fingerprint(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def weights_path(weights: str) -> Path:
    """The file behind `model.weights`."""
    if weights.startswith(SHIPPED):
        folder = Path(str(resources.files("agg2exp"))) / "weights"
        path, choices = (
            folder / weights.removeprefix(SHIPPED),
            sorted(p.name for p in folder.glob("*.safetensors")),
        )
        hint = f"Shipped are {choices}."
    else:
        path, hint = Path(weights).expanduser(), "Relative paths start at the folder the command is run in."
    if not path.is_file():
        raise SettingError("model.weights", weights, "an existing file", hint)
    return path


def _read(path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """State dict and header of a weights file."""
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                return {k: file.get_tensor(k) for k in file.keys()}, file.metadata() or {}  # noqa: SIM118 - no mapping
        except SafetensorError as error:
            raise WeightsError(f"{path} cannot be read as safetensors ({error}). Fetch or save it again.") from error
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{path} cannot be read as plain weights ({type(error).__name__}). Expected a state dict, a Lightning "
            "checkpoint or safetensors; pickled objects are not loaded, since they can run code. "
            "Save model.state_dict() instead."
        ) from error
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: expected a state dict (names -> tensors), got {type(state).__name__}.")
    if "state_dict" in content:  # a Lightning module keeps its network under this prefix
        state = {k.removeprefix("network."): v for k, v in state.items() if k.startswith("network.")}
    log.warning("%s does not record the MONAI version, classes and spacing it was trained with; not checked", path)
    return state, {}


def _check_header(path: Path, header: Mapping[str, str], facts: ModelFacts) -> None:
    differing = [
        f"{name}: trained with {header[name]}, configured {value}"
        for name, value in facts.as_strings().items()
        if name in header and json.loads(header[name]) != json.loads(value)
    ]
    if differing:
        raise WeightsError(f"{path} was trained with other settings than model=… says. " + "; ".join(differing))


def _some(items: list[str]) -> str:
    shown = ", ".join(items[:_SHOWN]) or "none"
    return shown + (f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")
