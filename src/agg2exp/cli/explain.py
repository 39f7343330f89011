"""`agg2exp explain`: cases -> predictions -> voxel attributions -> RoI importance -> tables and pictures."""

from __future__ import annotations

import logging
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
    from agg2exp.cli.parts import explanation_module, is_first_rank, tracked, trainer
    from agg2exp.cli.summary import write_environment, write_summary
    from agg2exp.io.case_store import CaseStore
    from agg2exp.io.failures import FailureLog

    one_log()
    output = Path(config.paths.output)
    if is_first_rank():
        OmegaConf.save(config, output / "config.yaml", resolve=True)
    module = explanation_module(config)
    data = build(config, "data")
    run = trainer(config, data)
    if is_first_rank():
        write_environment(output, run)
    with tracked(run, config):
        run.predict(module, datamodule=data, return_predictions=False)
        if not run.is_global_zero:
            return
        expected = data.expected()
        failures = FailureLog(output).merge()
        finished = set(CaseStore(output).finished())
        write_summary(output, expected, finished, failures)
        lost = [case for case in expected if case not in finished]
        if failures or lost:
            names = sorted({*lost, *(f.case_id for f in failures)})
            raise JobError(
                f"agg2exp: {len(names)} of {len(expected)} cases failed ({', '.join(names[:10])}); "
                f"what went wrong is in {output / 'failures.csv'} and in the log, what was finished is kept."
            )
