"""`agg2exp explain`: cases -> predictions -> voxel attributions -> RoI importance -> tables and pictures."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.application import JobError, job, one_log
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.hydras_record import accept
from agg2exp.cli.interruption import telling_how_to_resume
from agg2exp.cli.own_folder import unwritable
from agg2exp.store.atomic import UNWRITABLE, atomic_write

if TYPE_CHECKING:
    from lightning import Trainer

    from agg2exp.cli.resume import Part
    from agg2exp.run.datamodule import CaseDataModule
    from agg2exp.run.module import ExplanationModule

log = logging.getLogger(__name__)

NOTHING = "nothing"
PREPARING = 24 * 3600  # seconds; rank 0 may have to generate phantoms, or to read the files of many finished cases


def main() -> None:
    """Run the job.

    Raises:
        SystemExit: The job failed. If Hydra could not write into the run's folder, the last line says what to do.
    """
    atexit.register(gc.freeze)  # else the end of the process looks through all that was imported, for seconds
    try:
        explain()
    except SystemExit as end:
        error: BaseException | None = end
        while error is not None and not isinstance(error, OSError | JobError):  # a JobError says all that is needed
            error = error.__cause__ or error.__context__
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            sys.stderr.write(f"agg2exp: {unwritable(error)}\n")
        raise


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="explain")
@job
def explain(config: DictConfig) -> None:
    """Explain the cases of a split and write everything into the run's folder.

    Raises:
        JobError: A setting is wrong, the disk is full, or some cases failed (the others are done).
    """
    with telling_how_to_resume(Path(config.paths.output)):
        _explain(config)


def _explain(config: DictConfig) -> None:
    from agg2exp.cli.builders import explanation_module, is_first_rank
    from agg2exp.cli.data_choice import data_module
    from agg2exp.cli.leftovers import without_leftovers
    from agg2exp.cli.segmentation_model import trained_model
    from agg2exp.cli.sweep import same_work

    one_log()
    config = without_leftovers(config)
    model = trained_model(config)
    module = explanation_module(config, model)
    data = data_module(config, model, [module.explainer.method, *module.metrics.values()])
    twin = None if module.explainer.method.uses_supervoxels else same_work(config, ignoring="supervoxels")
    if twin is not None:
        log.info(
            "%s uses no supervoxels: the results are those of job %s, %s", module.explainer.method.name, twin.name, twin
        )
    elif is_first_rank():
        _lead(config, module, data)
    else:
        _help(config, module, data)


def _lead(config: DictConfig, module: ExplanationModule, data: CaseDataModule) -> None:
    """What rank 0 does: prepare the data, decide which cases are left, explain its share, and end the run."""
    from agg2exp.cli.builders import result_settings, tracked, trainer
    from agg2exp.cli.ending import end_run
    from agg2exp.cli.estimate import estimate, is_long
    from agg2exp.cli.resume import next_part
    from agg2exp.run.distributed.agreement import agreed, is_one_of_several
    from agg2exp.store.under_way import UnderWay

    output = Path(config.paths.output)
    data.prepare_data()
    part = next_part(output, data, result_settings(config, module))
    run = trainer(config, data)
    if part.pending and (config.dry_run or is_long(module, data)):
        work = estimate(module, data, run.strategy.root_device, run.num_devices)
        log.info("%s", work or "the first pending cases cannot be read, so there is no estimate")
    if not config.dry_run:
        data.hand_out(last=part.killers, begin=UnderWay(output).begin)
        _begin(config, run, part)
    if is_one_of_several():
        agreed(_work(output), lambda: NOTHING if config.dry_run or not part.pending else "cases")
    if config.dry_run:
        return
    with tracked(run.loggers, config):
        if part.pending:
            run.predict(module, datamodule=data, return_predictions=False)
        end_run(output, part.cases, run.loggers)


def _help(config: DictConfig, module: ExplanationModule, data: CaseDataModule) -> None:
    """What the other ranks do: explain the cases that rank 0 hands them, once the data and the folder are prepared."""
    from agg2exp.cli.builders import trainer
    from agg2exp.run.distributed.agreement import agreed, is_one_of_several
    from agg2exp.store.under_way import UnderWay

    output = Path(config.paths.output)
    if is_one_of_several() and agreed(_work(output), str, wait=PREPARING) == NOTHING:
        return
    data.hand_out(last={}, begin=UnderWay(output).begin)
    trainer(config).predict(module, datamodule=data, return_predictions=False)


def _work(output: Path) -> str:
    """What ranks agree on for each job of a multirun, and again where torchrun starts them again."""
    return f"work in {output}, {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"


def _begin(config: DictConfig, run: Trainer, part: Part) -> None:
    """Write what the run is made with, and say what is there already."""
    from agg2exp.cli.collecting import collecting_of
    from agg2exp.cli.environment import write_environment
    from agg2exp.cli.kept_configuration import kept
    from agg2exp.explaining.collect import collect
    from agg2exp.store.expected_cases import write_expected
    from agg2exp.store.failures import FailureLog
    from agg2exp.store.under_way import UnderWay

    output = Path(config.paths.output)
    accept(output)
    with atomic_write(output / "config.yaml") as path:
        OmegaConf.save(kept(config), path)
    write_environment(output, str(run.strategy.root_device))
    write_expected(output, part.cases)
    FailureLog(output).forget(part.pending)
    UnderWay(output).start()
    part.tell()
    if part.killers and {*part.killers} == {*part.pending}:  # if they kill it again, the tables of the others are there
        collect(output, collecting_of(output), [*part.finished, *part.staying])
