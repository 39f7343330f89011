"""`agg2exp explain`: cases -> predictions -> voxel attributions -> RoI importance -> tables and pictures."""

from __future__ import annotations

import atexit
import gc
import logging
import signal
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.application import JobError, job, one_log
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.own_folder import unwritable
from agg2exp.domain.errors import RankLostError
from agg2exp.domain.hints import pasted
from agg2exp.store.atomic import UNWRITABLE, UnwritableError, atomic_write
from agg2exp.store.run_folder import rank
from agg2exp.store.under_way import UnderWay

if TYPE_CHECKING:
    from lightning import Trainer

    from agg2exp.run.module import ExplanationModule

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
    from agg2exp.cli.builders import explanation_module, finish, is_first_rank, result_settings, tracked, trainer
    from agg2exp.cli.data_choice import data_module
    from agg2exp.cli.estimate import estimate, is_long
    from agg2exp.cli.kept_configuration import kept
    from agg2exp.cli.leftovers import without_leftovers
    from agg2exp.cli.resume import finished_cases, staying_cases
    from agg2exp.cli.summary import write_environment
    from agg2exp.cli.sweep import same_work
    from agg2exp.store.case_store import CaseStore
    from agg2exp.store.failures import FailureLog

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
    stored, expected = CaseStore(output).finished(), data.expected()
    settings, files = result_settings(config, module), data.fingerprints(stored)
    finished = finished_cases(output, settings, {case: files[case] for case in expected if case in files})
    staying = staying_cases(output, settings, files, expected)
    data.leave_out(finished)
    run = trainer(config, data)
    if is_first_rank() and data.pending() and (config.dry_run or is_long(module, data)):
        work = estimate(module, data, run.strategy.root_device, run.num_devices)
        log.info("%s", work or "the first pending cases cannot be read, so there is no estimate")
    if config.dry_run:
        return
    journal = UnderWay(output)
    killers = {case: n for case, n in journal.killed().items() if case in data.pending()}
    data.hand_out(last=killers, begin=journal.begin)
    if is_first_rank():
        with atomic_write(output / "config.yaml") as path:
            OmegaConf.save(kept(config), path)
        write_environment(output, run)
        FailureLog(output).forget(data.pending())
        journal.start()
        _tell_what_is_there(finished, staying, killers, len(expected))
        if killers and {*killers} == {*data.pending()}:  # if they kill it again, the tables of the others are there
            finish(run, module, [*finished, *staying], loggers=[])
    with tracked(run.loggers, config):
        if data.pending():
            run.predict(module, datamodule=data, return_predictions=False)
        if not run.is_global_zero:
            return
        _end(output, run, module, [*expected, *staying], config.model.weights)


def _tell_what_is_there(
    finished: Collection[str], staying: Collection[str], killers: Mapping[str, int], n_expected: int
) -> None:
    if finished:
        log.info("%d of %d cases are finished already and stay as they are", len(finished), n_expected)
    if staying:
        log.info("%d further cases of earlier parts of this run stay in its tables", len(staying))
    for case, n in killers.items():
        log.warning(
            "case %s was under way when this run was killed (%d ×), perhaps because memory ran out; it is tried last",
            case,
            n,
        )


def _end(output: Path, run: Trainer, module: ExplanationModule, cases: Sequence[str], weights: str) -> None:
    """Tables, pictures and summary over what is done.

    Raises:
        JobError: Some cases failed.
    """
    from agg2exp.cli.builders import finish
    from agg2exp.cli.summary import write_summary
    from agg2exp.models.checkpoint import trained_on
    from agg2exp.store.case_store import CaseStore
    from agg2exp.store.failures import FailureLog

    store = CaseStore(output)
    _, damaged = store.readable(cases)
    done = set(store.finished()) - set(damaged)
    finish(run, module, [case for case in cases if case in done], run.loggers)
    lost = {case: damaged.get(case, "it has no result, and why was not recorded") for case in cases if case not in done}
    failures = FailureLog(output).merge(lost)
    write_summary(output, cases, done, failures, trained_on(weights))
    if failures or lost:
        names = sorted({*lost, *(f.case_id for f in failures)})
        raise JobError(
            f"agg2exp: {len(names)} of {len(cases)} cases failed ({', '.join(names[:10])}); "
            f"what went wrong is in {output / 'failures.csv'} and in the log, what was finished is kept. "
            f"To try them again, repeat the command with {pasted('resume', output)}"
        )


@contextmanager
def telling_how_to_resume(output: Path, kept: str = "what was finished is kept") -> Iterator[None]:
    """Say how to go on after Ctrl-C, SIGTERM (pre-emption) or a full disk, which end the run in order."""

    def terminate(signum: int, frame: object) -> None:
        signal.signal(signum, signal.SIG_IGN)  # once is enough
        raise SystemExit(128 + signum)

    before, killed = signal.signal(signal.SIGTERM, terminate), False
    try:
        yield
    except RankLostError:
        killed = True
        raise
    except RuntimeError as error:
        killed = "DataLoader worker" in str(error)
        if not killed:
            raise
        raise JobError(
            f"agg2exp: a process that read ahead was killed, perhaps because memory ran out ({error}). What was "
            f"finished is kept in {output}. To go on, repeat the command with {pasted('resume', output)} and a smaller "
            "data.num_workers"
        ) from error
    except UnwritableError as error:
        raise JobError(
            f"agg2exp: {error.strerror}. What was finished before is kept in {output}. Make room, or make the folder "
            f"writable, and repeat the command with {pasted('resume', output)}"
        ) from error
    except (KeyboardInterrupt, SystemExit):
        hint = pasted("resume", output)
        log.warning("interrupted; %s. To go on, repeat the command with %s", kept, hint)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        if rank() == 0 and not killed:
            UnderWay(output).end()
