"""Objects that jobs make from the configuration in the same way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from lightning import Trainer
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig

from agg2exp.cli.application import build, plain
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import LabelScheme
from agg2exp.models.checkpoint import ModelFacts, load_weights
from agg2exp.modules.explanation import ExplanationModule


def explanation_module(config: DictConfig) -> ExplanationModule:
    """The module of the `explain` job with its weights loaded."""
    attribution = build(config, "attribution")
    if config.supervoxels and not attribution.uses_supervoxels:
        raise SettingError(
            "supervoxels",
            config.supervoxels._target_,
            "none",
            f"attribution={attribution.name} attributes to voxels and uses no supervoxels.",
        )
    labels = build(config, "model.labels")
    score, inference = build(config, "score"), build(config, "inference")
    network = build(config, "model.network")
    facts = model_facts(config.model, labels)
    provenance = {
        "weights": load_weights(network, config.model.weights, facts),
        **facts.as_strings(),
        "torch": version("torch"),
        "monai": version("monai"),
    }
    module: ExplanationModule = build(
        config,
        "module",
        network=network,
        attribution=attribution,
        score=score,
        inference=inference,
        labels=labels,
        provenance=provenance,
    )
    return module


def loggers(config: DictConfig) -> list[Any] | bool:
    """The loggers, told the resolved configuration; False (Lightning's word for none) if there are none."""
    if not config.logger:
        return False
    made = list(build(config, "logger").values())
    for logger in made:
        if isinstance(logger, WandbLogger):
            logger.experiment.config.update(plain(config))
    return made


@contextmanager
def closing(trainer: Trainer) -> Iterator[None]:
    """Finish the loggers after a job, also a failed one, so that the next job of a multirun starts its own run."""
    try:
        yield
    finally:
        failed = sys.exc_info()[0] is not None
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish(exit_code=int(failed))
            else:
                logger.finalize("failed" if failed else "success")


def model_facts(model: DictConfig, labels: LabelScheme) -> ModelFacts:
    """What the model's config says it was trained on."""
    return ModelFacts(
        classes=labels.classes,
        spacing=tuple(model.spacing),
        window=tuple(model.window),
        hu_range=tuple(model.hu_range),
    )
