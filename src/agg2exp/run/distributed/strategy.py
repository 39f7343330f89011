"""Cases on several devices of this machine, one process each."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning import Trainer
from lightning.fabric.utilities.seed import reset_seed
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch._C._distributed_c10d import FileStore

from agg2exp.domain.case import Failure
from agg2exp.domain.errors import RankLostError, check_range
from agg2exp.run.distributed.heartbeat import Doing
from agg2exp.run.distributed.launcher import JobLauncher
from agg2exp.run.distributed.watchdog import Watch

FOR_EVER = timedelta(days=365)  # the first rank to finish waits; the watch ends the wait if the others are lost

T = TypeVar("T")


class CaseStrategy(DDPStrategy):
    """Every process explains cases of its own; they meet at the start and at the end only.

    Args:
        output: The job's folder.
        patience: Longest time in seconds that a rank may take for one window, or for reading or writing one case,
            before the run is ended; a rank that hangs inside a case is found earlier (see `heartbeat`).
        **ddp: Arguments of Lightning's strategy, such as `process_group_backend`.

    Raises:
        SettingError: `patience` is no whole number of at least 1.
    """

    def __init__(self, output: str | Path, patience: int = 1800, **ddp: Any) -> None:
        check_range("strategy.patience", patience, 1, integer=True)
        super().__init__(timeout=FOR_EVER, **ddp)
        self.output = Path(output)
        self.patience = patience
        self._forward_hook: Any = None

    def setup_distributed(self) -> None:
        """Meet the other ranks; those of one machine by a file that all see, so that no port is open to others."""
        if self.num_nodes > 1 or self._watch is None:
            super().setup_distributed()
            return
        reset_seed()
        self.set_world_ranks()
        self._process_group_backend = self._get_process_group_backend()
        device = self.root_device
        torch.distributed.init_process_group(
            self._process_group_backend,
            store=FileStore(str(self._watch.folder / "store"), self.world_size),
            rank=self.global_rank,
            world_size=self.world_size,
            timeout=self._timeout,
            device_id=None if device.type == "cpu" else device,
        )

    def _configure_launcher(self) -> None:
        if self.cluster_environment is None or not self.parallel_devices:
            raise RuntimeError("the trainer did not tell this strategy its devices")
        indices = [device.index for device in self.parallel_devices]
        devices = str(len(indices)) if None in indices else str(indices).replace(" ", "")
        self._launcher = JobLauncher(
            self.cluster_environment, self.num_processes, self.num_nodes, self.output, devices, self.patience
        )

    def setup(self, trainer: Trainer) -> None:
        """Have every pass of a window, forward or backward, count as a step."""
        super().setup(trainer)
        if self.lightning_module is not None:
            self._forward_hook = self.lightning_module.register_forward_hook(self._after_forward)

    def _after_forward(self, module: nn.Module, inputs: object, logits: object) -> None:
        self._step()
        if isinstance(logits, Tensor) and logits.requires_grad:
            logits.register_hook(lambda _: self._step())  # type: ignore[no-untyped-call]

    def on_predict_start(self) -> None:
        """The first case is read next. What other ranks log from now on is about their own cases."""
        self._step(Doing.READING)
        if self.global_rank > 0:
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter(f"[rank {self.global_rank}][%(name)s][%(levelname)s] - %(message)s"))
            handler.setLevel(logging.WARNING)
            logging.getLogger().addHandler(handler)

    def predict_step(self, *args: Any, **kwargs: Any) -> Any:
        """Explain one case."""
        self._step(Doing.COMPUTING)
        explanation = super().predict_step(*args, **kwargs)
        self._step(Doing.READING)
        if self._watch is not None and not isinstance(explanation, Failure):
            self._watch.pace.learn()
        return explanation

    def on_predict_end(self) -> None:
        """No rank leaves before all are done, whichever callbacks there are."""
        self.barrier()

    def barrier(self, *args: Any, **kwargs: Any) -> None:
        """Wait for all ranks, however long they take.

        In Python, so that Ctrl-C and SIGTERM are heard meanwhile.

        Raises:
            RankLostError: A rank is gone.
        """
        self._step(Doing.WAITING)
        if not torch.distributed.is_initialized():
            return
        devices = self.determine_ddp_device_ids() if torch.distributed.get_backend() == "nccl" else None
        with _connected():
            meeting = torch.distributed.barrier(async_op=True, device_ids=devices)
            while not meeting.is_completed():
                time.sleep(0.02)
            meeting.wait()

    def broadcast(self, obj: T, src: int = 0) -> T:
        """An object of rank `src` on all ranks.

        Raises:
            RankLostError: A rank is gone.
        """
        with _connected():
            return super().broadcast(obj, src)

    def teardown(self) -> None:
        """Leave nothing behind for the next job of this process."""
        if self._forward_hook is not None:
            self._forward_hook.remove()
        super().teardown()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    @property
    def _watch(self) -> Watch | None:
        return self._launcher.watch if isinstance(self._launcher, JobLauncher) else None

    def _step(self, doing: Doing | None = None) -> None:
        if self._watch is not None:
            self._watch.pace.step(doing)


@contextmanager
def _connected() -> Iterator[None]:
    """Say in our words that a connection broke."""
    try:
        yield
    except RuntimeError as error:
        raise RankLostError(f"lost contact with another rank ({error})") from error
