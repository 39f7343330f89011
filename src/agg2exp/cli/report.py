"""`agg2exp report`: finished runs -> the table that compares their attribution methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from agg2exp.cli.application import JobError, job
from agg2exp.cli.conf_dir import conf_dir

if TYPE_CHECKING:
    import pandas as pd
    from lightning.pytorch.loggers import Logger

    from agg2exp.report.benchmark_study import BenchmarkStudy


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="report")
@job
def main(config: DictConfig) -> None:
    """Compare the attribution methods of finished runs, such as the jobs of a sweep.

    Raises:
        JobError: There is nothing to compare, or the runs do not fit together.
    """
    from agg2exp.cli.runs import named_runs
    from agg2exp.domain.errors import check_choice
    from agg2exp.report.benchmark_outputs import benchmark_outputs
    from agg2exp.report.benchmark_study import BenchmarkStudy
    from agg2exp.report.outputs import check_data_sets, write

    check_choice("table", config.table, ("benchmark",))
    runs = named_runs(config.runs)
    check_data_sets(list(dict.fromkeys(run.data for run in runs)))
    try:
        study = BenchmarkStudy.of(runs)
    except ValueError as error:
        raise JobError(f"agg2exp: runs: {error}") from error
    output = Path(config.paths.output)
    for item in benchmark_outputs(study):
        write(output, item)
    _print(output, study)
    _log(config, output, study)


def _print(output: Path, study: BenchmarkStudy) -> None:
    """The tables, what may make methods incomparable, and where everything is."""
    from rich.console import Console

    from agg2exp.domain.text import visible
    from agg2exp.report.formats import terminal, terminal_ranks

    console = Console(stderr=True)
    title = "Mean ± standard deviation over cases and classes, best underlined"
    console.print(terminal(study.table, study.higher_is_better, title))
    if len(study.ranks):
        console.print(terminal_ranks(study.ranks))
    for sentence in study.all_remarks:
        console.print(visible(sentence), style="yellow", markup=False, highlight=False)
    console.print(f"tables    {output}", markup=False, highlight=False, soft_wrap=True)


def _log(config: DictConfig, output: Path, study: BenchmarkStudy) -> None:
    """Hand the means to the loggers, and to W&B what is about two patients or more, under names that may leave."""
    from lightning.pytorch.loggers import CSVLogger

    from agg2exp.cli.builders import loggers_of, tracked
    from agg2exp.cli.leaving import names_may_leave
    from agg2exp.domain.privacy import FEWEST_TOLD

    cases = study.values.groupby("data")["case"].nunique()
    small = set(cases.index[cases < FEWEST_TOLD])
    may_leave = names_may_leave(dict.fromkeys([*study.values["data"], *study.values["method"]]), config.runs)
    loggers = loggers_of(config)
    with tracked(loggers, config):
        for logger in loggers:
            if isinstance(logger, CSVLogger):
                _log_means(logger, study.table)
            elif may_leave:
                _log_means(logger, study.table[~study.table["data"].isin(small)])
                _log_outputs(logger, output, study, small)


def _log_means(logger: Logger, table: pd.DataFrame) -> None:
    rows = table.dropna(subset="mean")
    if len(rows):
        logger.log_metrics({f"{row.data}/{row.method}/{row.name}": row.mean for row in rows.itertuples(index=False)})


def _log_outputs(logger: Logger, output: Path, study: BenchmarkStudy, small: set[str]) -> None:
    """Tables and pictures for W&B, but for data sets that are too small."""
    from lightning.pytorch.loggers import WandbLogger

    from agg2exp.report.benchmark_outputs import picture_of

    if not isinstance(logger, WandbLogger):
        return
    for name, table, values in (("benchmark", study.table, "mean"), ("ranks", study.ranks, "method")):
        rows = table[~table["data"].isin(small)] if len(table) else table
        if len(rows) and rows[values].notna().any():
            logger.log_table(name, dataframe=rows)
    for data in study.pictures:
        if data not in small:
            logger.log_image(picture_of(data), [str(output / f"{picture_of(data)}.png")])
