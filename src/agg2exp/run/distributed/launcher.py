"""Further processes for one job, started so that Hydra's multiruns work."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.fabric.plugins import ClusterEnvironment
from lightning.fabric.utilities.distributed import _set_num_threads_if_needed
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from lightning.pytorch.trainer.states import TrainerFn

from agg2exp.domain.environment import JOB_VARIABLE
from agg2exp.domain.errors import RankLostError, SettingError
from agg2exp.domain.hints import override, pasted
from agg2exp.run.distributed.agreement import STARTED_BY_US
from agg2exp.run.distributed.watchdog import SIGN, SILENCE, ChildWatch, ParentWatch, Watch
from agg2exp.store.run_folder import to_resume

log = logging.getLogger(__name__)

SIGNS = STARTED_BY_US  # a folder
PARENT = "AGG2EXP_PARENT"  # process id of rank 0
INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
OF_ONE_JOB = ("MASTER_ADDR", "MASTER_PORT", "OMP_NUM_THREADS", *INTERFACES)  # Lightning leaves them behind
END = 20  # seconds for the children to end after the last barrier; below SILENCE


class JobLauncher(_SubprocessScriptLauncher):
    """Starts one process per further device of this machine, and makes all of them end together.

    Lightning's own launcher repeats the command line in each child, hence all jobs of a multirun. A child of this one
    runs one job, from the resolved configuration in the job's folder; afterwards this process's environment is what it
    was, for the next job. Names with an underscore are Lightning's own: hence its minor version is pinned.

    Args:
        environment: Knows ranks, addresses and ports.
        num_processes: Processes on this machine.
        num_nodes: Machines.
        output: The job's folder, with `config.yaml`.
        devices: `trainer.devices` of the children, as on the command line.
        patience: Longest time in seconds between two steps of a rank.

    Attributes:
        watch: Looks after the other ranks while the job runs; None if a job manager does.
    """

    def __init__(
        self,
        environment: ClusterEnvironment,
        num_processes: int,
        num_nodes: int,
        output: Path,
        devices: str,
        patience: int,
    ) -> None:
        super().__init__(environment, num_processes, num_nodes)
        self.output = output
        self.devices = devices
        self.patience = patience
        self.watch: Watch | None = None

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any) -> Any:
        """Run `function` in every process.

        Raises:
            RankLostError: Another process ended with an error, was killed or stalled.
            SettingError: The job trains, which several devices do not do together.
        """
        if trainer is not None and trainer.state.fn != TrainerFn.PREDICTING:
            raise SettingError("trainer", "ddp", "a trainer on one device; only explanations use several")
        if trainer is not None:  # Lightning's handler of SIGTERM broadcasts, hence waits for all ranks
            trainer._signal_connector.register_signal_handlers = _nothing  # type: ignore[method-assign]
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        with _unchanged_afterwards():
            _set_num_threads_if_needed(self.num_processes)
            if self.num_nodes == 1:
                _stay_on_this_machine()
            if not self.cluster_environment.creates_processes_externally:
                return self._as_parent(function, *args, **kwargs)
            if SIGNS in os.environ:
                return self._as_child(function, *args, **kwargs)
            return function(*args, **kwargs)  # started by a job manager, which ends all ranks if one fails

    def _as_parent(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with tempfile.TemporaryDirectory(prefix="agg2exp-") as folder:
            (Path(folder) / SIGN).touch()
            self.watch = watch = ParentWatch(Path(folder), self.patience, self.procs)
            try:
                self._start_children(folder)
                watch.start()
                result = function(*args, **kwargs)
                watch.stop()
                self._wait_for_children(watch)
                return result
            except (KeyboardInterrupt, RankLostError) as error:
                with suppress(KeyboardInterrupt):  # the watch may interrupt just now
                    watch.stop()
                problem = watch.found(seconds=END if isinstance(error, RankLostError) else 0)
                if problem is None:
                    raise
                raise RankLostError(
                    f"{problem}; the run ends, what was finished is kept in {self.output}. "
                    f"To go on, repeat the command with {pasted('resume', to_resume(self.output))}"
                ) from error
            finally:
                watch.stop()
                self._kill_children()

    def _as_child(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        rank = self.cluster_environment.local_rank()
        self.watch = ChildWatch(Path(os.environ[SIGNS]), rank, self.patience, int(os.environ[PARENT]))
        self.watch.start()
        try:
            result = function(*args, **kwargs)
        except RankLostError:
            time.sleep(SILENCE)  # rank 0 knows which rank is lost, and ends this one meanwhile
            raise
        except SystemExit as end:  # SIGTERM; at once, as a process with a barrier under way cannot end in order
            log.warning("told to end; what was finished is kept")
            os._exit(end.code if isinstance(end.code, int) else 1)
        self.watch.stop()  # after an error it shows signs of life until the process has ended
        return result

    def _start_children(self, folder: str) -> None:
        environment = {
            **os.environ,
            "MASTER_ADDR": self.cluster_environment.main_address,
            "MASTER_PORT": str(self.cluster_environment.main_port),
            "NODE_RANK": str(self.cluster_environment.node_rank()),
            "WORLD_SIZE": str(self.num_processes * self.num_nodes),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONWARNINGS": "ignore",  # rank 0 gives the same ones
            SIGNS: folder,
            PARENT: str(os.getpid()),
        }
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C is for rank 0, which ends the others
        try:
            for rank in range(1, self.num_processes):
                own = {**environment, "LOCAL_RANK": str(rank)}
                self.procs.append(subprocess.Popen(self.command(), env=own))  # noqa: S603 - our own command
        finally:
            signal.signal(signal.SIGINT, before)

    def command(self) -> list[str]:
        """What a child runs: this job alone, in the same folder; Hydra writes nothing and sets up no log there."""
        folder = str(self.output.resolve())
        return [
            *(sys.executable, "-P", "-m", "agg2exp", os.environ[JOB_VARIABLE]),
            *("--config-path", folder, "--config-name", "config"),
            *(override("hydra.run.dir", folder), "hydra.output_subdir=null"),
            *("hydra/job_logging=none", "hydra/hydra_logging=none"),
            f"trainer.devices={self.devices}",
        ]

    def _wait_for_children(self, watch: ParentWatch) -> None:
        """After the last barrier the others have nothing left to do but to end."""
        for rank, child in enumerate(self.procs, start=1):
            try:
                child.wait(END)
            except subprocess.TimeoutExpired:
                log.warning("rank %d finished its cases but did not end within %d s; it is killed", rank, END)
        problem = watch.look()
        if problem is not None:
            raise RankLostError(problem)

    def _kill_children(self) -> None:
        for child in self.procs:
            child.kill()
            child.wait()
        self.procs.clear()


def _nothing() -> None:
    """Leave the handlers of signals as they are."""


def _stay_on_this_machine() -> None:
    """Let the ranks of one machine talk over its loopback interface only, unless the user chose one."""
    loopback = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), None)
    for variable in INTERFACES:
        if loopback is not None:
            os.environ.setdefault(variable, loopback)


@contextmanager
def _unchanged_afterwards() -> Iterator[None]:
    """Take back what one job sets for the whole process."""
    variables = {name: os.environ.get(name) for name in OF_ONE_JOB}
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        torch.set_num_threads(threads)
