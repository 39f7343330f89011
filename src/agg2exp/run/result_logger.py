"""Hand the run's results to Weights & Biases or any other Lightning logger."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger

from agg2exp.domain.privacy import FEWEST_TOLD
from agg2exp.store.tables import GLOBAL_IMPORTANCE, METRIC_SUMMARY, SEGMENTATION, TIMINGS, background_of, read_tables

log = logging.getLogger(__name__)

EFFORT = ("cases", "window_forwards", "window_backwards", "seconds_per_case")
"""What a run took, which says nothing of a patient."""


def log_results(folder: Path, loggers: Sequence[Logger]) -> None:
    """Log summary numbers to every logger, and to W&B the global importance as table and pictures.

    Nothing per patient and no image of a patient leaves the machine: tables are over cases, pictures are global. A run
    over a single case has no such table: only a file on this machine (`CSVLogger`) gets more of it than what it took.
    An entry that one case alone has, such as that of a rare finding, stays here too, and so do pictures that show it.

    Args:
        folder: The run's, with tables and pictures; without tables nothing is logged.
        loggers: Whom to tell.
    """
    tables_folder = folder / "tables"
    if not (tables_folder / f"{GLOBAL_IMPORTANCE}.parquet").is_file():
        return
    tables = read_tables(tables_folder, [GLOBAL_IMPORTANCE, SEGMENTATION, TIMINGS])
    summary = _summary(tables)
    kept = {}
    if (tables_folder / f"{METRIC_SUMMARY}.parquet").is_file():
        for row in read_tables(tables_folder, [METRIC_SUMMARY])[METRIC_SUMMARY].itertuples():
            summary |= {f"{row.name}/mean": row.mean, f"{row.name}/std": row.std}
            kept[f"{row.name}/mean"] = {True: "max", False: "min"}.get(row.higher_is_better, "last")
    summary = {name: value for name, value in summary.items() if value == value}
    of_one = len(tables[TIMINGS]) < FEWEST_TOLD
    harmless = {name: value for name, value in summary.items() if not of_one or name in EFFORT}
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            for name, direction in kept.items():
                logger.experiment.define_metric(name, summary=direction)
        logger.log_metrics(summary if isinstance(logger, CSVLogger) else harmless)
        if isinstance(logger, WandbLogger) and not of_one:
            _log_wandb(folder, logger, tables[GLOBAL_IMPORTANCE])
        logger.save()


def _log_wandb(folder: Path, logger: WandbLogger, importance: Any) -> None:
    table = importance[importance["kind"] == "importance"].drop(columns="kind")
    of_one = table["count"].between(1, FEWEST_TOLD - 1)
    media: dict[str, Any] = {"global_importance": wandb.Table(dataframe=table[~of_one])}
    if of_one.any():
        regions = sorted({*table[of_one]["source"]} - {*table[table["count"] >= FEWEST_TOLD]["source"]})
        log.warning(
            "the pictures and %d entries of the global table stay on this machine, since they are of one case%s",
            of_one.sum(),
            f" (it alone has {', '.join(regions)})" if regions else "",
        )
    for picture in [] if of_one.any() else sorted((folder / "figures").glob("[!.]*.png")):
        media[picture.stem] = wandb.Image(str(picture))
    logger.experiment.log(media)


def _summary(tables: dict[str, Any]) -> dict[str, float]:
    """A few numbers that describe the run."""
    segmentation, timings = tables[SEGMENTATION], tables[TIMINGS]
    structures = segmentation[segmentation["class"] != background_of(tables[GLOBAL_IMPORTANCE])]
    importance = tables[GLOBAL_IMPORTANCE].query("kind == 'importance' and target == source")
    return {
        "cases": float(len(timings)),
        "dice": float(structures["dice"].mean()),
        "self_importance": float(importance["mean"].mean()),
        "window_forwards": float(timings["window_forwards"].sum()),
        "window_backwards": float(timings["window_backwards"].sum()),
        "seconds_per_case": float(timings["seconds"].mean()),
    }
