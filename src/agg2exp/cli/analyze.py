"""`agg2exp analyze`: stored RoI importances -> what a model relies on, where it is abnormal, whether to believe it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.application import JobError, build, job
from agg2exp.cli.conf_dir import conf_dir

if TYPE_CHECKING:
    import pandas as pd

    from agg2exp.report.analysis import Part
    from agg2exp.report.data_set import DataSet
    from agg2exp.report.findings import Finding
    from agg2exp.report.outputs import LeftOut, Written
    from agg2exp.report.settings import AnalysisSettings


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="analyze")
@job
def main(config: DictConfig) -> None:
    """Analyse one or several data sets; parts that the data do not allow are named, and the others go on.

    Raises:
        JobError: A data set cannot be read, none forms one table, or a setting is wrong.
    """
    from agg2exp.domain.errors import DataError
    from agg2exp.report.analysis import usable
    from agg2exp.report.findings import findings
    from agg2exp.report.markdown import page
    from agg2exp.report.outputs import check_data_sets
    from agg2exp.store.atomic import atomic_write

    settings = settings_of(config)
    output = Path(config.paths.output)
    left_out: list[LeftOut] = []
    try:
        data_sets = data_sets_of(config, left_out)
        check_data_sets([data.name for data in data_sets])
        data_sets = usable(data_sets, config.reference, left_out)
        written = _make(output, list(_parts(config, data_sets, settings)), left_out)
    except DataError as error:
        raise JobError(f"agg2exp: {error}") from error
    found = findings({item.name: item.table for item in written if item.table is not None}, settings.alpha)
    with atomic_write(output / "analysis.md") as path:
        content = page(overview(data_sets), found, [item.path for item in written], left_out)
        path.write_text(content, encoding="utf-8")
    _print(output, overview(data_sets), found, left_out)
    _log(config, output, written, data_sets)


def settings_of(config: DictConfig) -> AnalysisSettings:
    """The choices of the user.

    Raises:
        SettingError: A value is not allowed.
    """
    from agg2exp.report.settings import AnalysisSettings, Focus, Graph

    names = ("order", "alpha", "draws", "permutations", "forests", "seed", "jobs")
    return AnalysisSettings(
        focus=Focus(**OmegaConf.to_container(config.focus)),  # type: ignore[arg-type]
        graph=Graph(**OmegaConf.to_container(config.graph)),  # type: ignore[arg-type]
        **{name: config[name] for name in names},
    )


def data_sets_of(config: DictConfig, left_out: list[LeftOut]) -> list[DataSet]:
    """The data sets with their metadata and joined classes; damaged runs are noted in `left_out`.

    Raises:
        JobError: A data set cannot be read.
        DataError: The metadata cannot be read.
        SettingError: Metadata or groups name what is not there.
    """
    from dataclasses import replace

    from agg2exp.cli.data_sets import read_data_sets, with_metadata
    from agg2exp.domain.errors import SettingError, check_choice
    from agg2exp.store.metadata import read_metadata

    if config.join and not config.groups:
        raise SettingError("join", True, "false where no classes belong together", "Choose them with groups=….")
    data_sets = read_data_sets(config.runs, build(config, "labels"), left_out)
    files = {str(name): place for name, place in config.metadata.items()} if isinstance(config.metadata, DictConfig) \
        else {data.name: config.metadata for data in data_sets}  # fmt: skip
    for name in files:
        check_choice("metadata", name, {*(data.name for data in data_sets), *(item.data_set for item in left_out)})
    made = []
    for data in data_sets:
        known = replace(data, join=_groups(config) if config.join else {})
        if files.get(data.name) is not None:
            columns = config.columns
            metadata = read_metadata(Path(files[data.name]), columns.case, columns.patient, cases=data.cases)
            known = with_metadata(known, metadata, config.columns.patient)
        made.append(known)
    return made


def _groups(config: DictConfig) -> dict[str, list[str]]:
    """Classes that belong together, by the name of their group."""
    return {str(name): list(members) for name, members in config.groups.items()}


def overview(data_sets: Sequence[DataSet]) -> pd.DataFrame:
    """A row per data set: how much there is of everything."""
    import pandas as pd

    return pd.DataFrame(
        {
            "data set": data.name,
            "cases": len(data.cases),
            "patients": data.n_patients,
            "classes": len(data.scheme),
            "extra regions": data.local["source"].nunique() - len(data.labels),
            "cases without Dice": len(data.cases) - data.segmentation.dropna(subset="dice")["case"].nunique(),
            "cases without metadata": "none given" if data.metadata is None
            else len({*data.cases} - {*data.metadata.index}),
        }
        for data in data_sets
    )  # fmt: skip


def _parts(config: DictConfig, data_sets: Sequence[DataSet], settings: AnalysisSettings) -> Iterator[Part]:
    from dataclasses import replace

    from agg2exp.cli.scans import read_scan
    from agg2exp.report.analysis import parts_across, parts_of
    from agg2exp.report.highlight import check_focus

    settings = replace(settings, focus=check_focus(settings.focus, data_sets))
    for data in data_sets:
        reference = data if config.reference is None else _reference(config.reference, data, data_sets)
        yield from parts_of(data, reference, settings, read_scan if config.images else None)
    yield from parts_across(data_sets, _groups(config), settings)


def _reference(name: str, data: DataSet, data_sets: Sequence[DataSet]) -> DataSet:
    """The data set that the forests of another one take as normal.

    Raises:
        SettingError: There is none of the name, or the two were made differently.
    """
    from agg2exp.domain.errors import SettingError, check_choice
    from agg2exp.report.data_set import differing_settings

    by_name = {data.name: data for data in data_sets}
    check_choice("reference", name, by_name)
    differing = differing_settings(data, by_name[name])
    if differing:
        allowed = f"a data set made with the same settings as {data.name}"
        raise SettingError("reference", name, allowed, f"They differ in {differing}.")
    return by_name[name]


def _make(output: Path, parts: Sequence[Part], left_out: list[LeftOut]) -> list[Written]:
    """Make and write all parts, with a progress bar."""
    import pandas as pd
    from rich.progress import Progress

    from agg2exp.log import logged_above
    from agg2exp.report.outputs import Written, possible, write

    written = []
    with Progress(transient=True) as progress, logged_above(progress.console):
        for part in progress.track(parts, description="Analysing"):
            for name, content in possible(part.data_set, part.name, part.made, left_out):
                path = write(output, (name, content)).relative_to(output)
                table = content if isinstance(content, pd.DataFrame) else None
                written.append(Written(path, table, part.public, part.data_set))
    return written


def _print(output: Path, sets: pd.DataFrame, found: Sequence[Finding], left_out: Sequence[LeftOut]) -> None:
    """The headlines, and where everything is."""
    from rich.console import Console

    from agg2exp.figures.style import DISCLAIMER
    from agg2exp.report.formats import as_text, terminal_table

    console = Console(stderr=True)
    console.print(terminal_table(*as_text(sets), "Data sets"))
    for title, rows, headline in found:
        if headline and len(rows):
            console.print(terminal_table(*as_text(rows), title))
    if left_out:
        console.print(f"[yellow]{len(left_out)} parts left out[/], see analysis.md")
    console.print(f"analysis  {output / 'analysis.md'}", markup=False, highlight=False, soft_wrap=True)
    console.print(DISCLAIMER, style="italic dim")


def _log(config: DictConfig, output: Path, written: Sequence[Written], data_sets: Sequence[DataSet]) -> None:
    """Hand what is about no single patient to W&B, if a logger was chosen."""
    from lightning.pytorch.loggers import WandbLogger

    from agg2exp.cli.builders import loggers_of, tracked
    from agg2exp.cli.leaving import names_may_leave
    from agg2exp.domain.privacy import FEWEST_TOLD

    small = {data.name for data in data_sets if data.n_patients < FEWEST_TOLD}
    names = {data.name for data in data_sets}
    loggers = loggers_of(config)
    with tracked(loggers, config):
        for logger in (logger for logger in loggers if isinstance(logger, WandbLogger)):
            told = written if names_may_leave(names, config.runs) else []
            for item in (item for item in told if item.may_leave):
                if small & ({item.data_set} if item.data_set in names else names):
                    continue
                if item.path.suffix == ".png":
                    logger.log_image(item.name, [str(output / item.path)])
                elif item.table is not None:
                    logger.log_table(item.name, dataframe=item.table)
