"""Finished runs among the folders that a user names."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, ListConfig

from agg2exp.cli.application import JobError
from agg2exp.cli.run_settings import read_choices
from agg2exp.domain.errors import DataError
from agg2exp.report.runs import Run

log = logging.getLogger(__name__)

NOT_IN_NAMES = ("data.cases", "data.shard", "output=", "resume=", "paths.", "logger", "trainer", "callbacks")
"""Overrides that name no run: names go to trackers, which case ids must not."""
LONGEST = 80  # letters of a name's overrides, since files are named after it


def named_runs(runs: str | ListConfig | DictConfig) -> list[Run]:
    """The runs of a setting `runs`: a folder, a list of folders, or for each data set its name and one of these.

    Raises:
        JobError: A folder does not exist.
    """
    if isinstance(runs, DictConfig):
        return [run for name, folders in runs.items() for run in find_runs(paths(folders), str(name))]
    return find_runs(paths(runs))


def paths(named: str | Iterable[str]) -> list[Path]:
    """One path or several."""
    return [Path(named)] if isinstance(named, str) else [Path(str(name)) for name in named]


def find_runs(folders: Sequence[Path], data: str | None = None) -> list[Run]:
    """The runs in the given folders: each a run, or a sweep whose jobs are runs; each once.

    Runs of the same data and method have in their name what else was chosen otherwise (its overrides).

    Args:
        folders: Where they are.
        data: Name of their data set; by default what each run chose as `data`.

    Raises:
        JobError: A folder does not exist.
    """
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        raise JobError(f"agg2exp: runs: expected folders of finished runs or sweeps, got {missing}.")
    found: dict[Path, Run] = {}
    for folder in folders:
        for written in sorted(folder.glob("**/.hydra/hydra.yaml"), key=_in_order):
            run = written.parents[1]
            if (run / "tables").is_dir():
                try:
                    choices = read_choices(run)
                except DataError as error:
                    log.warning("%s is left out: %s", run, error)
                    continue
                method = choices.attribution
                if choices.supervoxels != "none" and (run / "tables" / "supervoxels.parquet").is_file():
                    method = f"{method}/{choices.supervoxels}"
                found.setdefault(run.resolve(), Run(run, data or choices.data, method, choices.overrides))
            elif (run / "config.yaml").is_file():  # written once the work begins
                log.warning("%s has no results, since it did not finish, and is left out", run)
    return _with_distinct_names(list(found.values()))


def _in_order(path: Path) -> list[tuple[int, str]]:
    """Jobs of a sweep by their numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in path.parts]


def _with_distinct_names(runs: Sequence[Run]) -> list[Run]:
    """Runs of one data set and method, named by overrides that not all of them have; by folder if these are long."""
    alike: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        alike.setdefault((run.data, run.method), []).append(run)
    return [_named(run, alike[run.data, run.method]) for run in runs]


def _named(run: Run, alike: Sequence[Run]) -> Run:
    """A run by what distinguishes it from others of the same data set and method."""
    if len(alike) == 1:
        return run
    common = set.intersection(*(set(_naming(other)) for other in alike))
    words = [word for word in _naming(run) if word not in common]
    if len(" ".join(words)) > LONGEST:
        return replace(run, method=f"{run.method} {run.folder.name}")
    of_data = [word for word in words if word.lstrip("+~").startswith("data")]
    rest = [word for word in words if word not in of_data]
    return replace(run, data=" ".join([run.data, *of_data]), method=" ".join([run.method, *rest]))


def _naming(run: Run) -> list[str]:
    """What the user chose for a run, but for its cases, where it is written and what was done again."""
    return [word for word in run.overrides if not word.lstrip("+~").startswith(NOT_IN_NAMES)]
