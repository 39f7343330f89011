"""Which folder a run has: decided once, before Hydra makes it, and the same for all ranks."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from agg2exp.domain.errors import SettingError
from agg2exp.store.run_folder import is_run

OUTPUT, RESUME = "output", "resume"
GIVEN = {OUTPUT: "a folder for the run", RESUME: "the folder of an earlier run"}


def run_dir(job: str, beside: str = "", *, _root_: DictConfig) -> str:
    """The folder of a run, or of a multirun: `output` or `resume`, else a new one that is named after the time.

    Registered as a resolver, `${run_dir:<job>}`, for `hydra.run.dir` and `hydra.sweep.dir`.

    Args:
        job: The job's name.
        beside: A setting; where it names one run, the job writes into that, unless told otherwise.
        _root_: The whole configuration.

    Raises:
        SettingError: `output` and `resume` name different folders, or one of them none; `resume` is no run; or rank 0
            told its folder to no other rank.
    """
    given = given_folder(_root_)
    if given is not None:
        return str(given[1])
    place = OmegaConf.select(_root_, beside) if beside else None
    if isinstance(place, str) and (Path(place) / "config.yaml").is_file():
        return place
    known = OmegaConf.get_cache(_root_)["run_dir"]  # jobs of a multirun inherit it, as they do what `now` said
    if job not in known:
        known[job] = _started()
    return str(Path(str(OmegaConf.select(_root_, "paths.runs"))) / job / known[job])


def given_folder(config: DictConfig) -> tuple[str, Path] | None:
    """The setting that names the run's folder, and the folder; None if no setting does.

    Raises:
        SettingError: See `run_dir`.
    """
    named = {key: OmegaConf.select(config, key) for key in GIVEN}
    folders = {key: checked(value, key) for key, value in named.items() if value is not None}
    if len(folders) > 1 and len({folder.absolute() for folder in folders.values()}) > 1:
        raise SettingError(
            RESUME,
            str(folders[RESUME]),
            f"the folder that output names ({folders[OUTPUT]}), or one of the two settings alone",
            f"{OUTPUT}=<folder> is where a run is written, {RESUME}=<folder> an earlier run that goes on there.",
        )
    if RESUME in folders and not (folders[RESUME].is_dir() and is_run(folders[RESUME])):
        what = "It holds no run" if folders[RESUME].is_dir() else "There is no such folder"
        raise SettingError(
            RESUME, str(folders[RESUME]), GIVEN[RESUME], f"{what}; a new run is written into {OUTPUT}=<folder>."
        )
    setting = RESUME if RESUME in folders else OUTPUT
    return (setting, folders[setting]) if folders else None


def checked(folder: object, setting: str) -> Path:
    """The folder that a setting names.

    Raises:
        SettingError: It names none.
    """
    if folder is None or str(folder).strip() in ("", "None"):
        value = None if folder in (None, "None") else folder
        hint = f"Leave {setting} out for a new folder."
        raise SettingError(setting, value, GIVEN.get(setting, GIVEN[OUTPUT]), hint)
    return Path(str(folder))


def _started() -> str:
    """When the run started; ranks that a job manager started seconds apart have the time of rank 0."""
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    from agg2exp.run.distributed.agreement import agreed, is_one_of_several

    return agreed("started", lambda: now) if is_one_of_several() else now


OmegaConf.register_new_resolver("run_dir", run_dir, replace=True)
