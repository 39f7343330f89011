"""`agg2exp collect`: results of cases -> tables and pictures, of one run or of shards that become one."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from agg2exp.cli.application import JobError, job, one_log
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.domain.hints import pasted


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="collect")
@job
def main(config: DictConfig) -> None:
    """Collect what is done, and say which cases are missing or failed.

    Raises:
        JobError: Some are.
        DataError: There is no run, or the shards do not make one.
    """
    from agg2exp.cli.builders import loggers_of, tracked
    from agg2exp.cli.ending import end_run
    from agg2exp.cli.joined_run import absent_shards, describe_joined, shards_of
    from agg2exp.cli.runs import paths
    from agg2exp.explaining.shards import join
    from agg2exp.store.case_store import CaseStore
    from agg2exp.store.expected_cases import read_expected

    one_log()
    output, shards = Path(config.paths.output).absolute(), shards_of(paths(config.runs))
    absent = absent_shards(shards)
    if shards != [output]:
        join(shards, output)
        describe_joined(shards, output)
    cases = list(dict.fromkeys([*read_expected(output), *CaseStore(output).finished()]))
    loggers = loggers_of(config)
    with tracked(loggers, config):
        end_run(output, cases, loggers, "the command that explained them, without data.shard,")
    if absent:
        raise JobError(
            f"agg2exp: runs: expected all shards of the data set, got none of {', '.join(absent[:10])}. The tables are "
            f"over the others; once these are done, repeat the command with {pasted('output', output)}"
        )
