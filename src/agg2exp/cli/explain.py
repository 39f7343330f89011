"""`agg2exp explain`: cases -> predictions -> voxel attributions -> RoI importance -> tables and pictures."""

from __future__ import annotations

import atexit
import gc
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.application import JobError, job, one_log
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.io.atomic import UNWRITABLE, UnwritableError, written_whole

log = logging.getLogger(__name__)


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
            sys.stderr.write(
                f"agg2exp: {error.filename or 'the folder of the run'}: {error.strerror}. The folder of a run must be "
                "writable: make room, or name another one by resume=<folder> (AGG2EXP_RUNS=<folder> for all runs)\n"
            )
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
    from agg2exp.cli.data_choice import data_module
    from agg2exp.cli.estimate import estimate, is_long
    from agg2exp.cli.kept_configuration import kept
    from agg2exp.cli.leftovers import without_leftovers
    from agg2exp.cli.parts import explanation_module, finish, is_first_rank, result_settings, tracked, trainer
    from agg2exp.cli.resume import finished_cases
    from agg2exp.cli.summary import write_environment, write_summary
    from agg2exp.cli.sweep import same_work
    from agg2exp.io.case_store import CaseStore
    from agg2exp.io.failures import FailureLog

    one_log()
    config = without_leftovers(config)
    output = Path(config.paths.output)
    data = data_module(config)
    module = explanation_module(config)
    twin = None if module.attribution.uses_supervoxels else same_work(config, ignoring="supervoxels")
    if twin is not None:
        log.info(
            "%s uses no supervoxels: the results are those of job %s, %s", module.attribution.name, twin.name, twin
        )
        return
    if is_first_rank():
        data.prepare_data()
    finished = finished_cases(output, result_settings(config, module), data.fingerprints(CaseStore(output).finished()))
    data.leave_out(finished)
    run = trainer(config, data)
    if is_first_rank() and data.pending() and (config.dry_run or is_long(module, data)):
        work = estimate(module, data, run.strategy.root_device, run.num_devices)
        log.info("%s", work or "the first pending cases cannot be read, so there is no estimate")
    if config.dry_run:
        return
    if is_first_rank():
        with written_whole(output / "config.yaml") as path:
            OmegaConf.save(kept(config), path)
        write_environment(output, run)
        FailureLog(output).forget(data.pending())
    if finished:
        log.info("%d of %d cases are finished already and stay as they are", len(finished), len(data.expected()))
    with tracked(run.loggers, config):
        if data.pending():
            run.predict(module, datamodule=data, return_predictions=False)
        if not run.is_global_zero:
            return
        expected = data.expected()
        finish(run, module, expected)
        failures = FailureLog(output).merge()
        done = set(CaseStore(output).finished())
        write_summary(output, expected, done, failures)
        lost = [case for case in expected if case not in done]
        if failures or lost:
            names = sorted({*lost, *(f.case_id for f in failures)})
            raise JobError(
                f"agg2exp: {len(names)} of {len(expected)} cases failed ({', '.join(names[:10])}); "
                f"what went wrong is in {output / 'failures.csv'} and in the log, what was finished is kept. "
                f"To try them again, repeat the command with resume={output}"
            )


@contextmanager
def telling_how_to_resume(output: Path, kept: str = "what was finished is kept") -> Iterator[None]:
    """Say how to go on after Ctrl-C, SIGTERM (pre-emption) or a full disk, which end the run in order."""

    def terminate(signum: int, frame: object) -> None:
        signal.signal(signum, signal.SIG_IGN)  # once is enough
        raise SystemExit(128 + signum)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except UnwritableError as error:
        raise JobError(
            f"agg2exp: {error.strerror}. What was finished before is kept in {output}. Make room, or make the folder "
            f"writable, and repeat the command with resume={output}"
        ) from error
    except (KeyboardInterrupt, SystemExit):
        log.warning("interrupted; %s. To go on, repeat the command with resume=%s", kept, output)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
