"""What a finished run was made with, read from its config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from agg2exp.domain.errors import DataError, SettingError
from agg2exp.domain.labels import LabelScheme

SETTINGS = ("model", "attribution", "score", "supervoxels", "baseline", "mask_policy", "regions", "expansion",
            "inference", "module", "data.preprocessing")  # fmt: skip
"""What the importances of a case depend on besides its files."""
FILES = ("data.layout",)
"""Which files of a case are read, extra masks among them."""
NEUTRAL = {
    "inference": {"batch"},
    "module": {"classes", "class_chunk", "compile_network", "cache", "cache_predictions", "seed"},
    "data.layout": {"cache", "scheme"},
}
"""Members of these nodes that importances do not depend on, or that stand elsewhere too."""


def configuration(folder: Path) -> dict[str, Any]:
    """The configuration of a run.

    Raises:
        DataError: It is not there or not complete.
    """
    path = folder / "config.yaml"
    config = OmegaConf.to_container(OmegaConf.load(path)) if path.is_file() else None
    if _at(config, "model.labels") is None or _at(config, "data.root") is None:
        raise DataError(f"expected the configuration of a run of agg2exp explain in {path}, got none.")
    return {str(key): value for key, value in config.items()}  # type: ignore[union-attr]  # it has model and data


def settings_of(config: Mapping[str, Any], names: tuple[str, ...] = SETTINGS) -> dict[str, Any]:
    """The nodes of a configuration that results depend on, by their dotted name."""
    nodes = {name: _at(config, name) for name in names}
    return {
        name: {key: value for key, value in node.items() if key not in NEUTRAL.get(name, ())}
        if isinstance(node, Mapping)
        else node
        for name, node in nodes.items()
    }


def labels_of(folder: Path, config: Mapping[str, Any]) -> LabelScheme:
    """The label scheme of the model of a run.

    Raises:
        DataError: It is incomplete, or not a label scheme; the message names the run.
    """
    spec = config["model"]["labels"]
    try:
        return LabelScheme.from_config(spec["name"], spec["classes"], spec["groups"])
    except (KeyError, TypeError, AttributeError, SettingError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{folder / 'config.yaml'}: model.labels: expected a label scheme, got {problem}") from error


def _at(config: object, name: str) -> Any:
    """The node of a dotted name; None if there is none."""
    node = config
    for key in name.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node
