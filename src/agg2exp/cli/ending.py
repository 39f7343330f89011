"""The end of a run: tables, pictures, trackers, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.loggers import Logger

from agg2exp.cli.application import JobError
from agg2exp.cli.collecting import collecting_of
from agg2exp.cli.run_settings import configuration
from agg2exp.cli.summary import write_summary
from agg2exp.domain.hints import pasted
from agg2exp.explaining.collect import collect
from agg2exp.models.checkpoint import trained_on
from agg2exp.run.result_logger import log_results
from agg2exp.store.failures import FailureLog
from agg2exp.store.run_folder import to_resume


def end_run(output: Path, cases: Sequence[str], loggers: Sequence[Logger], command: str = "the command") -> None:
    """Make everything from what is done, and say what is not.

    Args:
        output: The run's folder.
        cases: Cases that the run is about.
        loggers: Whom to tell.
        command: What to repeat for cases that failed, in words.

    Raises:
        JobError: Some cases failed, or are missing.
    """
    found = collect(output, collecting_of(output), cases)
    log_results(output, loggers)
    reasons = {case: "it has no result, and why was not recorded" for case in cases if case not in found.done}
    lost = {**reasons, **found.damaged}
    failures = FailureLog(output).merge(lost)
    write_summary(output, cases, found.done, failures, trained_on(configuration(output)["model"].get("weights")))
    if failures or lost:
        names = sorted({*lost, *(f.case_id for f in failures)})
        raise JobError(
            f"agg2exp: {len(names)} of {len(cases)} cases failed ({', '.join(names[:10])}); "
            f"what went wrong is in {output / 'failures.csv'} and in the log, what was finished is kept. "
            f"To try them again, repeat {command} with {pasted('resume', to_resume(output))}"
        )
