"""`agg2exp analyze`: stored RoI importances -> what a model relies on, where it is abnormal, whether to believe it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from agg2exp.cli.application import JobError, job, plain
from agg2exp.cli.conf_dir import conf_dir

if TYPE_CHECKING:
    import pandas as pd

    from agg2exp.report.data_set import DataSet
    from agg2exp.report.findings import Finding
    from agg2exp.report.left_out import LeftOut
    from agg2exp.report.outputs import Written
    from agg2exp.report.section import Section
    from agg2exp.report.settings import AnalysisSettings


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="analyze")
@job
def main(config: DictConfig) -> None:
    """Analyse one or several data sets; sections that the data do not allow are named, and the others go on.

    Raises:
        JobError: A data set cannot be read, none forms one table, or a setting is wrong.
    """
    from agg2exp.cli.analyzed_data import analyzed_data
    from agg2exp.domain.errors import DataError
    from agg2exp.report.findings import findings
    from agg2exp.report.left_out import with_importances
    from agg2exp.report.markdown import analysis_markdown
    from agg2exp.report.outputs import check_data_sets, write
    from agg2exp.report.overview import overview

    settings = settings_of(config)
    output = Path(config.paths.output)
    left_out: list[LeftOut] = []
    try:
        data_sets = analyzed_data(config, left_out)
        check_data_sets([data.name for data in data_sets])
        data_sets = with_importances(data_sets, config.reference, left_out)
        written = _write(output, list(_sections(config, data_sets, settings)), left_out)
    except DataError as error:
        raise JobError(f"agg2exp: {error}") from error
    rows = findings({item.name: item.table for item in written if item.table is not None}, settings.alpha)
    text = analysis_markdown(overview(data_sets), rows, [item.path for item in written], left_out)
    write(output, ("analysis.md", text))
    _print(output, overview(data_sets), rows, left_out)
    _log(config, output, written, data_sets)


def settings_of(config: DictConfig) -> AnalysisSettings:
    """The choices of the user.

    Raises:
        SettingError: A value is not allowed.
    """
    from agg2exp.report.settings import AnalysisSettings, Graph, Highlight

    names = ("order", "alpha", "draws", "permutations", "forests", "seed", "jobs")
    return AnalysisSettings(
        highlight=Highlight(**plain(config.highlight)),
        graph=Graph(**plain(config.graph)),
        **{name: config[name] for name in names},
    )


def _sections(config: DictConfig, data_sets: Sequence[DataSet], settings: AnalysisSettings) -> Iterator[Section]:
    """Those of each data set, then those between data sets."""
    from dataclasses import replace

    from agg2exp.cli.analyzed_data import groups_of, reference_of
    from agg2exp.cli.scans import read_scan
    from agg2exp.report.analysis import sections_between, sections_of
    from agg2exp.report.highlight import check_highlight
    from agg2exp.report.study import Study

    settings = replace(settings, highlight=check_highlight(settings.highlight, data_sets))
    for data in data_sets:
        reference = reference_of(data, config, data_sets)
        yield from sections_of(Study(data, reference, settings, read_scan if config.images else None))
    yield from sections_between(data_sets, groups_of(config), settings)


def _write(output: Path, sections: Sequence[Section], left_out: list[LeftOut]) -> list[Written]:
    """Make and write all sections, with a progress bar."""
    import pandas as pd
    from rich.progress import Progress

    from agg2exp.log import logged_above
    from agg2exp.report.left_out import until_left_out
    from agg2exp.report.outputs import Written, write

    written = []
    with Progress(transient=True) as progress, logged_above(progress.console):
        for section in progress.track(sections, description="Analysing"):
            for name, content in until_left_out(section.data_set, section.name, section.outputs, left_out):
                path = write(output, (name, content)).relative_to(output)
                table = content if isinstance(content, pd.DataFrame) else None
                written.append(Written(path, table, section.public, section.data_set))
    return written


def _print(output: Path, sets: pd.DataFrame, rows: Sequence[Finding], left_out: Sequence[LeftOut]) -> None:
    """The headlines, and where everything is."""
    from rich.console import Console

    from agg2exp.domain.disclaimer import DISCLAIMER
    from agg2exp.report.formats import as_text, terminal_table

    console = Console(stderr=True)
    console.print(terminal_table(*as_text(sets), "Data sets"))
    for finding in rows:
        if finding.headline and len(finding.rows):
            console.print(terminal_table(*as_text(finding.rows), finding.title))
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
            public = [item for item in written if item.may_leave] if names_may_leave(names, config.runs) else []
            for item in public:
                if small & ({item.data_set} if item.data_set in names else names):
                    continue
                if item.path.suffix == ".png":
                    logger.log_image(item.name, [str(output / item.path)])
                elif item.table is not None:
                    logger.log_table(item.name, dataframe=item.table)
