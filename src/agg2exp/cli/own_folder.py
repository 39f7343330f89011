"""Claims the folder of a run before Hydra writes into it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from agg2exp.domain.errors import SettingError
from agg2exp.domain.names import leads_outside
from agg2exp.store.atomic import UNWRITABLE
from agg2exp.store.run_folder import RUN, SWEEP, claim, release

GIVEN = "a folder for the run"


class OwnFolder(Callback):
    """Ends the process with a message unless the folder is new, empty, or one of a run that nobody else continues.

    Hydra turns exceptions of callbacks into warnings, hence the exit.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Before the folder of a single run is made."""
        setting = "resume" if _raw(config.hydra.run, "dir") == "${resume}" else "hydra.run.dir"
        _claim(config, setting, RUN)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Before the folder of a multirun is made; its jobs lie below it."""
        below = _raw(config.hydra.sweep, "subdir")
        if below is None or leads_outside(str(below)):
            _end(SettingError("hydra.sweep.subdir", below, "a folder below that of the multirun"))
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
    try:
        claim(checked(OmegaConf.select(config, setting), setting), setting, name)
    except OSError as error:
        _end(unwritable(error) if error.errno in UNWRITABLE else error)
    except Exception as error:  # noqa: BLE001 - Hydra would go on, and write
        _end(error)


def checked(folder: object, setting: str) -> Path:
    """The folder that a setting names.

    Raises:
        SettingError: It names none.
    """
    if folder is None or str(folder).strip() in ("", "None"):
        allowed = "the folder of a run" if setting == "resume" else GIVEN
        value = None if folder in (None, "None") else folder
        raise SettingError(setting, value, allowed, f"Leave {setting} out for a new folder.")
    return Path(str(folder))


def unwritable(error: OSError) -> str:
    """What to do when the folder of a run takes no files."""
    return (
        f"{error.filename or 'the folder of the run'}: {error.strerror}. The folder of a run must be writable: make "
        "room, or name another one by resume=<folder> (AGG2EXP_RUNS=<folder> for all runs)"
    )


def _end(problem: object) -> NoReturn:
    sys.stderr.write(f"agg2exp: {problem}\n")
    raise SystemExit(1)
