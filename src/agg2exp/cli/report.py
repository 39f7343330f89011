"""`agg2exp report`: finished runs -> the table that compares them."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from agg2exp.cli.application import JobError, build, job
from agg2exp.cli.conf_dir import conf_dir


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="report")
@job
def main(config: DictConfig) -> None:
    """Compare the attribution methods of finished runs, such as the jobs of a sweep.

    Raises:
        JobError: There is nothing to compare, or the runs do not fit together.
    """
    from lightning.pytorch.loggers import WandbLogger
    from rich.console import Console

    from agg2exp.cli.runs import find_runs
    from agg2exp.domain.errors import check_choice
    from agg2exp.figures.curves import curves_plot
    from agg2exp.figures.style import save
    from agg2exp.io.atomic import written_whole
    from agg2exp.report.benchmark import benchmark, ranks
    from agg2exp.report.curves import mean_curves
    from agg2exp.report.formats import as_text, latex, markdown, markdown_table, terminal, terminal_ranks
    from agg2exp.report.runs import directions, read_curves, read_metrics

    check_choice("table", config.table, ("benchmark",))
    named = config.runs
    runs = find_runs([Path(name) for name in ([named] if isinstance(named, str) else named)])
    try:
        values, facts = read_metrics(runs)
    except ValueError as error:
        raise JobError(f"agg2exp: runs: {error}") from error
    higher = dict(directions(facts))
    table, by_class = benchmark(values, higher), benchmark(values, higher, ("data", "method", "target", "name"))
    ranked = ranks(table, dict(zip(facts["name"], facts["metric"], strict=True)))
    output = Path(config.paths.output)
    contents = {
        "benchmark.csv": table.to_csv(index=False),
        "benchmark.md": markdown(table, higher),
        "benchmark.tex": latex(table, higher),
        "benchmark_per_class.csv": by_class.to_csv(index=False),
        "ranks.csv": ranked.to_csv(index=False),
        "ranks.md": markdown_table(*as_text(ranked)) + "\n",
    }
    for name, content in contents.items():
        with written_whole(output / name) as path:
            path.write_text(content, encoding="utf-8")
    pictures = []
    points = read_curves(runs)
    if len(points):
        curves = mean_curves(points)
        with written_whole(output / "curves.csv") as path:
            curves.to_csv(path, index=False)
        for data, own in curves.groupby("data", sort=False):
            pictures.append(output / f"curves_{data}.png")
            save(curves_plot(own, str(data)), pictures[-1])
    console = Console(stderr=True)
    console.print(terminal(table, higher, "Mean ± standard deviation over cases and classes, best underlined"))
    console.print(terminal_ranks(ranked))
    console.print(f"tables    {output}", highlight=False, soft_wrap=True)
    for name, node in (config.logger or {}).items():
        if node and "_target_" in node:
            logger = build(config, f"logger.{name}")
            if isinstance(logger, WandbLogger):
                logger.log_table("benchmark", dataframe=table)
                logger.log_table("ranks", dataframe=ranked)
                for picture in pictures:
                    logger.log_image(picture.stem, [str(picture)])
                logger.experiment.finish()
