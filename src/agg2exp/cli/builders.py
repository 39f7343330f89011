"""Objects that jobs make from the configuration in the same way."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger, WandbLogger
from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.application import JobError, build, plain
from agg2exp.cli.leaving import harmless
from agg2exp.cli.sweep import is_sweep, run_names
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.models.checkpoint import ModelFacts, load_weights
from agg2exp.models.weights_file import WeightsError
from agg2exp.run.datamodule import CaseDataModule
from agg2exp.run.module import ExplanationModule
from agg2exp.run.roi_importance import RoIImportanceWriter

log = logging.getLogger(__name__)


def explanation_module(config: DictConfig) -> ExplanationModule:
    """The module of the `explain` job with its weights loaded.

    Raises:
        JobError: A setting is wrong, or the weights do not fit the model.
    """
    attribution = build(config, "attribution")
    if config.supervoxels and not attribution.uses_supervoxels and is_first_rank() and not is_sweep():
        raise SettingError(
            "supervoxels",
            OmegaConf.select(config, "supervoxels._target_") or dict(config.supervoxels),
            "none",
            f"attribution={attribution.name} attributes to voxels and uses no supervoxels.",
        )
    labels = labels_of(config)
    score, inference = build(config, "score"), build(config, "inference")
    network = build(config, "model.network")
    facts = model_facts(config.model, labels)
    try:
        weights = load_weights(network, config.model.weights, facts)
    except WeightsError as error:
        raise JobError(f"agg2exp: model.weights: {error}") from error
    provenance = {
        "network": _as_text(config, "model.network"),
        "weights": weights,
        **{f"model: {name}": value for name, value in facts.as_strings().items()},
        "preprocessing": _as_text(config, "data.preprocessing"),
    }
    module: ExplanationModule = build(
        config,
        "module",
        network=network,
        attribution=attribution,
        score=score,
        inference=inference,
        labels=labels,
        metrics={name: build(config, f"metric.{name}") for name, node in config.metric.items() if node},
        provenance=provenance,
    )
    return module


def _as_text(config: DictConfig, key: str) -> str:
    """A node of the configuration, resolved, as JSON; the order of its entries does not matter."""
    node = OmegaConf.select(config, key)
    content = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    return json.dumps(content, sort_keys=True)


def result_settings(config: DictConfig, module: ExplanationModule) -> dict[str, str]:
    """What results depend on: the module's settings and those of the callbacks that compute results."""
    settings = module.settings()
    for callback in _members(config, "callbacks"):
        if isinstance(callback, RoIImportanceWriter):
            settings |= callback.settings()
    return settings


def trainer(config: DictConfig, data: CaseDataModule | None = None) -> Trainer:
    """The trainer with its callbacks and, on rank 0, its loggers.

    Args:
        config: The whole configuration.
        data: Cases to explain, so that there are at most as many devices as cases.

    Raises:
        JobError: A setting is wrong, or the machine has no such device.
    """
    callbacks, loggers = _members(config, "callbacks"), loggers_of(config) if is_first_rank() else []
    objects = {"callbacks": callbacks, "logger": loggers or False}
    try:
        made: Trainer = build(config, "trainer", **objects)
        if data is None or made.num_devices == 1 or _is_started_by_others(made):
            return made
        cases = max(len(data.pending()), 1)
        if cases < made.num_devices:
            log.info("cases: %d, devices: %d; as many devices as cases are used", cases, made.num_devices)
            on_cpu = made.strategy.root_device.type == "cpu"
            made = build(config, "trainer", **objects, devices=cases if on_cpu else made.device_ids[:cases])
        return made
    except MisconfigurationException as error:
        raise JobError(f"agg2exp: trainer: {error}") from error


def _members(config: DictConfig, group: str) -> list[Any]:
    """The objects of a group; a member that a preset switched off (no `_target_`) stays off whatever is set for it."""
    nodes = config[group] or {}
    return [build(config, f"{group}.{name}") for name, node in nodes.items() if node and "_target_" in node]


def loggers_of(config: DictConfig) -> list[Any]:
    """The loggers; W&B runs that have no group or name of their own are named after the sweep and the choices."""
    made = []
    for name, node in (config.logger or {}).items():
        if node and "_target_" in node:
            named = run_names() if node["_target_"].endswith(".WandbLogger") else {}
            given = {key: value for key, value in named.items() if node.get(key) is None}
            made.append(build(config, f"logger.{name}", **given))
    return made


def is_first_rank() -> bool:
    """Whether this process is the one that writes what belongs to the whole run."""
    return bool(rank_zero_only.rank == 0)  # type: ignore[attr-defined]  # set by Lightning


def _is_started_by_others(trainer: Trainer) -> bool:
    """By rank 0, which has counted the cases, or by a job manager, which has fixed the number of processes."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    return environment is not None and bool(environment.creates_processes_externally)


@contextmanager
def tracked(loggers: Sequence[Logger], config: DictConfig) -> Iterator[None]:
    """Tell W&B what is harmless of the configuration, and finish the loggers, also after a failed job.

    The next job of a multirun then starts a run of its own.
    """
    try:
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.config.update(harmless(plain(config)))
        yield
    finally:
        failed = sys.exc_info()[0] is not None
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish(exit_code=int(failed))
            else:
                logger.finalize("failed" if failed else "success")


def labels_of(config: DictConfig) -> Labels:
    """The classes of the model, and its head: softmax if that is not said.

    Raises:
        JobError: They are no list of names, or the head is unknown.
    """
    classes, head = (OmegaConf.select(config, f"model.{key}") for key in ("labels", "head"))
    if OmegaConf.is_config(classes):
        classes = OmegaConf.to_container(classes, resolve=True)
    try:
        return Labels(classes, head or "softmax")
    except SettingError as error:
        raise JobError(f"agg2exp: model.{error}") from error


def model_facts(model: DictConfig, labels: Labels) -> ModelFacts:
    """What the model's config says it was trained on."""
    return ModelFacts(
        classes=labels.classes,
        spacing=tuple(model.spacing),
        window=tuple(model.window),
        hu_range=tuple(model.hu_range),
    )
