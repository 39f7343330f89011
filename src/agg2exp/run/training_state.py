"""A training that was cut off goes on to the weights of an unbroken one."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from agg2exp.store.atomic import atomic_write


class TrainingState(Checkpoint):
    """Keeps after each epoch all that the next one depends on: `<path>`, replaced as a whole.

    Lightning keeps network, optimizer, schedule, the best validation and how far the training is, the data module the
    order of cases and their augmentation; the states of the global generators are added here. Stands after the callback
    that keeps the best weights, so that the state knows of them. On CPUs the weights are then the same bit for bit.
    Nothing in the file is loaded by pickle.

    Args:
        path: The file.

    Attributes:
        settings: What the training depends on, kept in the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.settings: dict[str, str] = {}
        self._found: Mapping[str, Any] | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Called by Lightning after the epoch and its validation."""
        if trainer.world_size == 1:
            with atomic_write(self.path) as path:
                trainer.save_checkpoint(path)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Called by Lightning when all is made that draws random numbers while it is made."""
        if self._found is not None:
            _set_global_states(self._found)
            self._found = None

    def state_dict(self) -> dict[str, Any]:
        """Settings and global random states."""
        return {"settings": self.settings, "random": _global_states()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Called by Lightning on the way into `fit`."""
        self._found = state_dict["random"]


def _global_states() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global state is what is kept
    version, values, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "python": [version, list(values), gauss],
    }


def _set_global_states(states: Mapping[str, Any]) -> None:
    name, keys, *rest = states["numpy"]
    version, values, gauss = states["python"]
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    random.setstate((version, tuple(values), gauss))
