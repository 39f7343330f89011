"""How far a training is, and what it must be repeated with to go on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger
from omegaconf import DictConfig, OmegaConf
from torch import nn

from agg2exp.domain.code import versions
from agg2exp.domain.description import described, text
from agg2exp.domain.errors import SettingError
from agg2exp.domain.provenance import Provenance
from agg2exp.run.datamodule import CaseDataModule
from agg2exp.run.training_module import SegmentationModule
from agg2exp.run.training_state import TrainingState
from agg2exp.store.digests import digest

log = logging.getLogger(__name__)

SILENT = ("default_root_dir", "enable_progress_bar", "enable_model_summary", "log_every_n_steps", "profiler")
"""Settings of the trainer that weights do not depend on."""


def training_settings(config: DictConfig, module: SegmentationModule, data: CaseDataModule) -> dict[str, str]:
    """What the weights depend on, the network with its first weights among it; call it before the training."""
    trainer: Any = OmegaConf.to_container(config.trainer, resolve=True)
    best: Any = OmegaConf.to_container(config.callbacks, resolve=True).get("best") or {}  # type: ignore[union-attr]
    own = described(module, without={*vars(lightning.LightningModule()), "network", "overlap"})
    return {
        **versions(),
        "folder": str(Path(config.paths.output).resolve()),  # elsewhere Lightning forgets how good the best weights are
        "seed": str(config.seed),
        "network": text(module.network),
        **{f"module: {name}": value for name, value in own.items()},
        "cases": _of_cases(data),
        "preprocessing": text(data.preprocessing),
        "patches": text(data.patches, "data.patches"),
        "trainer": json.dumps({k: v for k, v in trainer.items() if k not in SILENT}, sort_keys=True),
        "best": json.dumps({k: v for k, v in best.items() if k != "dirpath"}, sort_keys=True),
    }


def _of_cases(data: CaseDataModule) -> str:
    """Which cases are trained with and chosen by, and the content of their files."""
    records = [record for record in data.records(None) if record.split in ("train", "val")]
    return digest([(record.id, record.split, data.reader.fingerprint(record)) for record in records])


def state_of(trainer: Trainer) -> TrainingState | None:
    """The callback that keeps the state of the training, unless it was switched off."""
    return next((c for c in trainer.callbacks if isinstance(c, TrainingState)), None)  # type: ignore[attr-defined]


def kept_state(path: Path, settings: Mapping[str, str]) -> dict[str, Any] | None:
    """What an earlier part of the run kept; None where it ended before its first epoch did.

    Raises:
        SettingError: It cannot be read, or was made with other settings.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        before = next(
            s["settings"] for name, s in state["callbacks"].items() if name.startswith(TrainingState.__name__)
        )
    except Exception as error:
        raise SettingError(
            "resume", str(path), f"a readable state of a training ({type(error).__name__})", "Start a new run."
        ) from error
    changes = Provenance(before).differences(Provenance(settings))
    if changes:
        raise SettingError(
            "resume",
            str(path),
            f"the settings of the training so far ({changes})",
            "Repeat the earlier command, or start a new run; start=<weights> begins with the weights of this one.",
        )
    return state


def log_beside(config: DictConfig, epoch: int) -> None:
    """Let a resumed training log into a folder of its own, since Lightning's logger deletes what it finds."""
    node = OmegaConf.select(config, "logger.csv")
    if node and node.get("_target_", "").endswith(".CSVLogger"):
        folder = Path(str(node.save_dir)) / str(node.name)
        names = (f"from_epoch_{epoch}" + (f"_{again}" if again else "") for again in range(10**6))
        OmegaConf.update(config, "logger.csv.version", next(name for name in names if not (folder / name).exists()))


def load_best(trainer: Trainer, network: nn.Module) -> None:
    """Put the weights of the best validation into the network; without any validation the last ones stay."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]  # set by Lightning
    best = next((c.best_model_path for c in callbacks if isinstance(c, ModelCheckpoint) and c.best_model_path), None)
    if best is None:
        log.warning("no weights were validated; those of the last epoch are kept")
        return
    state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict({k.removeprefix("network."): v for k, v in state.items() if k.startswith("network.")})


def keep_here(loggers: Sequence[Logger], splits: Sequence[str]) -> None:
    """Let the numbers of splits of one case reach files on this machine only: they are those of a patient."""
    begins = tuple(f"{split}/" for split in splits)
    for logger in loggers:
        if begins and not isinstance(logger, CSVLogger):
            logger.log_metrics = _without(begins, logger.log_metrics)  # type: ignore[method-assign]


def _without(begins: tuple[str, ...], logs: Callable[..., None]) -> Callable[..., None]:
    def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
        logs({name: value for name, value in metrics.items() if not name.startswith(begins)}, step)

    return log_metrics
