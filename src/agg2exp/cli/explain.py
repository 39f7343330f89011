"""`agg2exp explain`: cases -> predictions -> voxel attributions -> RoI importance -> tables and pictures."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.application import JobError, build, job, one_log
from agg2exp.cli.conf_dir import conf_dir

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="explain")
@job
def main(config: DictConfig) -> None:
    """Explain the cases of a split and write everything into the run's folder.

    Raises:
        JobError: A setting is wrong, or some cases failed (the others are done).
    """
    from agg2exp.cli.parts import explanation_module, finish, is_first_rank, result_settings, tracked, trainer
    from agg2exp.cli.resume import finished_cases
    from agg2exp.cli.summary import write_environment, write_summary
    from agg2exp.io.case_store import CaseStore
    from agg2exp.io.failures import FailureLog

    one_log()
    output = Path(config.paths.output)
    module = explanation_module(config)
    data = build(config, "data")
    if is_first_rank():
        data.prepare_data()
    finished = finished_cases(output, result_settings(config, module), data.fingerprints())
    data.leave_out(finished)
    run = trainer(config, data)
    if is_first_rank():
        OmegaConf.save(config, output / "config.yaml", resolve=True)
        write_environment(output, run)
        FailureLog(output).forget(data.pending())
    if finished:
        log.info("%d of %d cases are finished already and stay as they are", len(finished), len(data.expected()))
    with tracked(run, config), _telling_how_to_resume(output):
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
def _telling_how_to_resume(output: Path) -> Iterator[None]:
    """Say how to go on after Ctrl-C or SIGTERM (pre-emption), which end the run in order."""

    def terminate(signum: int, frame: object) -> None:
        raise SystemExit(128 + signum)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        log.warning("interrupted; what was finished is kept. To go on, repeat the command with resume=%s", output)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
