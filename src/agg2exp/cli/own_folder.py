"""Claims the folder of a run before Hydra writes into it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from agg2exp.cli.hydras_record import remember, restore
from agg2exp.cli.run_dir import OUTPUT, RESUME, checked, given_folder
from agg2exp.domain.errors import SettingError
from agg2exp.domain.names import leads_outside
from agg2exp.store.atomic import UNWRITABLE
from agg2exp.store.run_folder import RUN, SWEEP, claim, release

RECORDED = "explain"
"""The job whose runs are read with what Hydra recorded of them."""


class OwnFolder(Callback):
    """Ends the process with a message unless the folder is new, empty, or one of a run that nobody else continues.

    Hydra turns exceptions of callbacks into warnings, hence the exit.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Before the folder of a single run is made."""
        _claim(config, "hydra.run.dir", RUN)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Before the folder of a multirun is made; its jobs lie below it."""
        below = _raw(config.hydra.sweep, "subdir")
        if below is None or leads_outside(str(below)):
            _end(SettingError("hydra.sweep.subdir", below, "a folder below that of the multirun"))
        words: Any = _raw(
            config.hydra.overrides, "task"
        )  # as they were typed, since not all of them can be resolved yet
        for override in OverridesParser.create().parse_overrides(words):
            key = override.key_or_group
            if key in (OUTPUT, RESUME) and override.is_sweep_override():
                allowed = "one folder, below which each job of a multirun has its own"
                _end(SettingError(key, override.get_value_string(), allowed))
        _claim(config, "hydra.sweep.dir", SWEEP)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """All its jobs are done."""
        release(Path(str(config.hydra.sweep.dir)))


@contextmanager
def owned_output(config: DictConfig) -> Iterator[None]:
    """Hold the folder of a job while it runs; Hydra's own is, and is checked, already.

    Raises:
        SettingError: `paths.output` names no folder, one with other things in it, or one of another run.
    """
    if "paths" not in config:  # a job that writes nothing
        yield
        return
    settings = HydraConfig.get() if HydraConfig.initialized() else None
    own = None if settings is None else Path(settings.runtime.output_dir)
    output = checked(OmegaConf.select(config, "paths.output"), "paths.output")
    try:
        claim(output, "paths.output", made_just_now=settings is not None and output == own and _hydras(settings, own))
        yield
    finally:
        restore(output)
        for folder in {output, own} - {None}:
            release(folder)  # type: ignore[arg-type]  # None is left out


def _hydras(settings: HydraConf, folder: Path) -> bool:
    """Whether Hydra has just made a folder: that of a job of a multirun, or one with its log alone.

    The stored configuration of a run, used as a configuration of its own, has no callback that claims first.
    """
    if settings.mode == RunMode.MULTIRUN:
        return True
    return {path.name for path in folder.iterdir()} <= {f"{settings.job.name}.log", ".hydra"}


def _raw(node: DictConfig, key: str) -> object:
    """A value with its interpolations as they stand."""
    return OmegaConf.to_container(node, resolve=False)[key]  # type: ignore[call-overload,index]


def _claim(config: DictConfig, setting: str, name: str) -> None:
    """Claim the folder that Hydra is about to make, whichever setting named it."""
    try:
        given = given_folder(config)
        folder = checked(OmegaConf.select(config, setting), setting)
        node, _, key = setting.rpartition(".")
        is_ours = str(_raw(OmegaConf.select(config, node), key)).startswith("${run_dir:")
        if is_ours:
            setting = OUTPUT if given is None else given[0]
        elif given is not None and folder.absolute() != given[1].absolute():
            raise SettingError(
                setting, str(folder), f"the folder that {given[0]} names ({given[1]}), or one of the two settings alone"
            )
        claim(folder, setting, name)
        if config.hydra.job.name == RECORDED:
            remember(folder)
    except OSError as error:
        _end(unwritable(error) if error.errno in UNWRITABLE else error)
    except Exception as error:  # noqa: BLE001 - Hydra would go on, and write
        _end(error.__cause__ if isinstance(error, OmegaConfBaseException) and error.__cause__ else error)


def unwritable(error: OSError) -> str:
    """What to do when the folder of a run takes no files."""
    return (
        f"{error.filename or 'the folder of the run'}: {error.strerror}. The folder of a run must be writable: make "
        "room, or name another one by output=<folder> (AGG2EXP_RUNS=<folder> for all runs)"
    )


def _end(problem: object) -> NoReturn:
    sys.stderr.write(f"agg2exp: {problem}\n")
    raise SystemExit(1)
