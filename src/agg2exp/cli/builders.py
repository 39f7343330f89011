"""Objects that jobs make from the configuration in the same way."""

from __future__ import annotations

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
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.run.datamodule import CaseDataModule
from agg2exp.run.module import ExplanationModule
from agg2exp.run.roi_importance import RoIImportanceWriter

log = logging.getLogger(__name__)


def explanation_module(config: DictConfig, model: SegmentationModel) -> ExplanationModule:
    """The module of the `explain` job.

    Raises:
        JobError: A setting is wrong.
    """
    attribution = build(config, "attribution")
    if config.supervoxels and not attribution.uses_supervoxels and is_first_rank() and not is_sweep():
        raise SettingError(
            "supervoxels",
            OmegaConf.select(config, "supervoxels._target_") or dict(config.supervoxels),
            "none",
            f"attribution={attribution.name} attributes to voxels and uses no supervoxels.",
        )
    module: ExplanationModule = build(
        config,
        "module",
        model=model,
        attribution=attribution,
        score=build(config, "score"),
        metrics={name: build(config, f"metric.{name}") for name, node in config.metric.items() if node},
    )
    return module


def result_settings(config: DictConfig, module: ExplanationModule) -> dict[str, str]:
    """What results depend on: the module's settings and those of the callbacks that compute results."""
    settings = module.evaluator.settings()
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
