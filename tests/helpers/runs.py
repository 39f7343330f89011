"""Real jobs on a tiny case: the shipped configuration, shrunk to what a test has time for."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from torch import nn

from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.data_choice import is_chosen
from agg2exp.cli.main import JOBS
from agg2exp.cli.segmentation_model import untrained_model
from agg2exp.data.phantom import PhantomCohort
from agg2exp.domain.hints import override
from agg2exp.models.checkpoint import save_weights
from agg2exp.models.facts import facts_of

PHANTOMS: dict[str, Any] = {"seed": 0, "spacing": [9, 9, 9], "splits": {"train": 1, "val": 1, "test": 3}}
CASES = ["s0003", "s0004", "s0005"]  # the test split
ABSENT = "thyroid_gland"  # the class that the tiny network never predicts
LEAST: dict[str, Any] = {  # whatever a configuration sets of these, tests take less
    "model.preprocessing.spacing": [15, 15, 15],
    "model.windows.size": [24, 24, 24],
    "model.network.channels": [4, 8, 8],
    "model.network.strides": [2, 2],
    "model.network.feature_size": 12,
    "attribution.n_samples": 2,
    "attribution.n_steps": 2,
    "trainer.max_epochs": 1,
    "trainer.check_val_every_n_epoch": 1,
    "trainer.log_every_n_steps": 1,
    "data.patches.size": [16, 16, 16],
    "data.patches.per_case": 1,
    "start": "null",  # weights to go on from fit the whole network
    "data.generator.device_share": 0,  # the tiny phantoms have none
    **{f"data.generator.{name}": value for name, value in PHANTOMS.items()},
}
ONE_CASE = ["attribution=vanilla_gradient", "classes=[heart,aorta]", "callbacks=tables", "data.limit=1"]


@dataclass(frozen=True)
class Tiny:
    """Phantoms at 9 mm and a U-Net with random weights, both made once for all tests.

    Attributes:
        root: The phantoms.
        cache: Their merged label maps.
        weights: The network's weights.
    """

    root: Path
    cache: Path
    weights: Path

    @classmethod
    def made(cls, folder: Path) -> Tiny:
        """Write phantoms and weights into `folder`."""
        tiny = cls(root=folder / "phantoms", cache=folder / "cache", weights=folder / "tiny.safetensors")
        PhantomCohort(root=tiny.root, **PHANTOMS).generate()
        with composed("explain", shrunk("explain", []), folder) as config:
            model = untrained_model(config)
            network, labels = model.network, model.labels
            generator = torch.Generator().manual_seed(4)
            for parameter in network.parameters():
                parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
            last = [m for m in network.modules() if isinstance(m, nn.Conv3d)][-1]
            last.bias.data[labels.classes.index(ABSENT)] = -1e3
            save_weights(network, tiny.weights, facts_of(labels, model.preprocessing, model.windows))
        return tiny

    def data(self) -> list[str]:
        """Every configuration reads the same phantoms."""
        return words({"data.root": self.root, "paths.cache": self.cache})

    def explain(self, *chosen: str) -> list[str]:
        """Arguments of a small `explain` job."""
        return [*shrunk("explain", chosen), *self.data(), f"model.weights={self.weights}", "trainer.accelerator=cpu"]

    def train(self, *chosen: str) -> list[str]:
        """Arguments of a small `train` job."""
        return [*shrunk("train", chosen), *self.data(), "trainer.accelerator=cpu"]


@dataclass(frozen=True)
class Finished:
    """How a job ended.

    Attributes:
        code: The exit status.
        output: The run's folder; of a multirun, the folder of its jobs.
    """

    code: int
    output: Path


def run(job: str, arguments: Sequence[str], output: Path) -> Finished:
    """Run a job as the command line does, in this process; its folder is `output`."""
    folders = [override("output", output)]
    with _own_arguments_and_log([f"agg2exp {job}", *arguments, *folders]):
        try:
            importlib.import_module(JOBS[job].module).main()
        except SystemExit as end:
            return Finished(int(end.code or 0), output)
    return Finished(0, output)


def shrunk(job: str, chosen: Sequence[str]) -> list[str]:
    """The chosen overrides, made cheap, and after them what the user's own words do not set."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        own_words = [word for word in chosen if not word.startswith("-")]
        config = compose(job, own_words)
        phantoms = [] if "data" not in config or is_chosen("data", job, own_words) else ["data=phantom"]
    own = {word.lstrip("+").split("=")[0] for word in chosen}
    least = {k: v for k, v in LEAST.items() if k not in own and OmegaConf.select(config, k, throw_on_missing=False)}
    if "model.network.feature_size" in least:
        least["model.windows.size"] = [32, 32, 32]  # Swin UNETR halves its input five times
    return [*chosen, *phantoms, *words(least)]


@contextmanager
def composed(job: str, overrides: Sequence[str], output: Path) -> Iterator[DictConfig]:
    """The configuration of a job, with `${hydra:…}` resolvable while the context is open."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose(job, [*overrides, f"paths.output={output}"], return_hydra_config=True)
        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(config)
        try:
            yield config
        finally:
            HydraConfig.instance().cfg = before


def words(settings: Mapping[str, Any]) -> list[str]:
    """Settings as overrides of the command line."""
    return [f"{key}={_word(value)}" for key, value in settings.items()]


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{_word(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_word, value)) + "]"
    return str(value)


@contextmanager
def _own_arguments_and_log(arguments: list[str]) -> Iterator[None]:
    """Hydra reads `sys.argv`, and its log handlers would outlive the test's captured output."""
    loggers = [logging.getLogger(name) for name in (None, "lightning", "lightning.pytorch", "lightning.fabric")]
    before = [(logger, logger.handlers[:], logger.level) for logger in loggers]
    with patch.object(sys, "argv", arguments), patch.dict(os.environ):
        try:
            yield
        finally:
            for logger, handlers, level in before:
                logger.handlers[:] = handlers
                logger.setLevel(level)
