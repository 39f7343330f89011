"""`agg2exp report`: finished runs -> the table that compares them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from agg2exp.cli.application import JobError, job
from agg2exp.cli.conf_dir import conf_dir

if TYPE_CHECKING:
    import pandas as pd
    from lightning.pytorch.loggers import Logger


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="report")
@job
def main(config: DictConfig) -> None:
    """Compare the attribution methods of finished runs, such as the jobs of a sweep.

    Raises:
        JobError: There is nothing to compare, or the runs do not fit together.
    """
    from lightning.pytorch.loggers import CSVLogger
    from rich.console import Console

    from agg2exp.cli.builders import loggers_of, tracked
    from agg2exp.cli.leaving import names_may_leave
    from agg2exp.cli.runs import named_runs
    from agg2exp.domain import text as escape
    from agg2exp.domain.errors import DataError, check_choice
    from agg2exp.domain.privacy import FEWEST_TOLD
    from agg2exp.figures.curves import curves_plot
    from agg2exp.figures.style import save
    from agg2exp.report.benchmark import benchmark, ranks
    from agg2exp.report.curves import mean_curves
    from agg2exp.report.formats import as_text, latex, markdown, markdown_table, terminal, terminal_ranks
    from agg2exp.report.outputs import check_data_sets, file_of
    from agg2exp.report.runs import caveats, directions, read_curves, read_metrics, undamaged
    from agg2exp.store.tabular import for_spreadsheet

    check_choice("table", config.table, ("benchmark",))
    runs = named_runs(config.runs)
    check_data_sets(list(dict.fromkeys(run.data for run in runs)))
    try:
        runs, damaged = undamaged(runs)
        values, facts = read_metrics(runs)
        said = [*damaged, *caveats(runs, values)]
    except ValueError as error:
        raise JobError(f"agg2exp: runs: {error}") from error
    higher, of_case = dict(directions(facts)), set(facts.loc[facts["category"] == "efficiency", "name"])
    table = benchmark(values, higher, of_case=of_case)
    by_class = benchmark(values, higher, ("data", "method", "target", "name"), of_case)
    ranked = ranks(table, dict(zip(facts["name"], facts["metric"], strict=True)))
    output = Path(config.paths.output)
    points = read_curves(runs)
    curves = mean_curves(points) if len(points) else points
    pictures = dict[str, Path]()
    for data, own in curves.groupby("data", sort=False) if len(curves) else ():
        try:
            picture = curves_plot(own, str(data))
            pictures[str(data)] = output / f"{file_of(f'curves_{data}')}.png"
            save(picture, pictures[str(data)])
        except DataError as error:
            said.append(f"{data}: there is no picture of curves: {error}")
    contents = {
        "benchmark.csv": for_spreadsheet(table).to_csv(index=False),
        "benchmark.md": "\n".join(
            [markdown(table, higher), *(f"- {escape.markdown(sentence)}\n" for sentence in said)]
        ),
        "benchmark.tex": latex(table, higher),
        "benchmark_per_class.csv": for_spreadsheet(by_class).to_csv(index=False),
    }
    if len(ranked):
        contents |= {
            "ranks.csv": for_spreadsheet(ranked).to_csv(index=False),
            "ranks.md": markdown_table(*as_text(ranked)) + "\n",
        }
    if len(curves):
        contents["curves.csv"] = for_spreadsheet(curves).to_csv(index=False)
    _write(output, contents)
    console = Console(stderr=True)
    console.print(terminal(table, higher, "Mean ± standard deviation over cases and classes, best underlined"))
    if len(ranked):
        console.print(terminal_ranks(ranked))
    for sentence in said:
        console.print(escape.visible(sentence), style="yellow", markup=False, highlight=False)
    console.print(f"tables    {output}", markup=False, highlight=False, soft_wrap=True)
    cases = values.groupby("data")["case"].nunique()
    small = cases.index[cases < FEWEST_TOLD]
    named = names_may_leave(dict.fromkeys([*values["data"], *values["method"]]), config.runs)
    loggers = loggers_of(config)
    with tracked(loggers, config):
        for logger in loggers:
            if isinstance(logger, CSVLogger):
                _log(logger, table, ranked, {})
            elif named:
                several = [rows[~rows["data"].isin(small)] if len(rows) else rows for rows in (table, ranked)]
                _log(logger, several[0], several[1], {n: path for n, path in pictures.items() if n not in small})


def _log(logger: Logger, table: pd.DataFrame, ranked: pd.DataFrame, pictures: Mapping[str, Path]) -> None:
    """Hand the means to a logger, and tables and pictures to W&B."""
    from lightning.pytorch.loggers import WandbLogger

    known = table.dropna(subset="mean")
    if len(known):
        logger.log_metrics({f"{row.data}/{row.method}/{row.name}": row.mean for row in known.itertuples(index=False)})
    if isinstance(logger, WandbLogger):
        if len(known):
            logger.log_table("benchmark", dataframe=table)
        if len(ranked):
            logger.log_table("ranks", dataframe=ranked)
        for path in pictures.values():
            logger.log_image(path.stem, [str(path)])


def _write(output: Path, contents: Mapping[str, str]) -> None:
    from agg2exp.store.atomic import atomic_write

    for name, content in contents.items():
        with atomic_write(output / name) as path:
            path.write_text(content, encoding="utf-8")
