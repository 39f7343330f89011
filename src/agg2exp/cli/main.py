"""The dispatcher: `agg2exp <job> [overrides]` runs the Hydra application of that job.

It imports the chosen job only, and no heavy library, so that help is shown at once.
"""

import argparse
import difflib
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agg2exp import __version__
from agg2exp.domain.environment import JOB_VARIABLE

PRINTING = ("-h", "--help", "--version", "--hydra-help", "-c", "--cfg", "-i", "--info", "-sc", "--shell-completion")
"""Flags that print something and run nothing."""


class Job(NamedTuple):
    """A job of the command line.

    Attributes:
        module: Dotted name of a module whose `main()` is a Hydra application.
        summary: One line for the list of jobs.
    """

    module: str
    summary: str


JOBS: Mapping[str, Job] = {
    "analyze": Job("agg2exp.cli.analyze", "what finished runs say: context, graph, outliers, bias, trust"),
    "collect": Job("agg2exp.cli.collect", "tables and pictures again, of a run or of shards joined to one"),
    "explain": Job("agg2exp.cli.explain", "predict, attribute and aggregate cases to RoI importance"),
    "report": Job("agg2exp.cli.report", "compare the attribution methods of finished runs"),
    "train": Job("agg2exp.cli.train", "fit and test a segmentation model"),
}


def main() -> None:
    """Run the job that the first command line argument names with the arguments that follow it.

    Raises:
        SystemExit: Help or version was asked for (0), or the arguments name no known job (2).
    """
    arguments = with_job_word(sys.argv[1:], os.environ)
    _end_quietly_without_reader(arguments)
    parser = _parser()
    name: str = parser.parse_args(arguments[:1]).job
    if name not in JOBS:
        parser.error(_unknown(name))

    os.environ[JOB_VARIABLE] = name
    sys.argv = [f"{parser.prog} {name}", *arguments[1:]]
    _relaunch_as_module()
    importlib.import_module(JOBS[name].module).main()


def with_job_word(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return the arguments with the job word first, also in a process that Lightning started.

    Lightning starts further processes with the arguments as the dispatcher left them, hence without the job
    word. Such a process has `LOCAL_RANK` set and inherits the word in `AGG2EXP_JOB`.
    """
    missing = not arguments or arguments[0] not in JOBS
    if missing and "LOCAL_RANK" in environment and JOB_VARIABLE in environment:
        return [environment[JOB_VARIABLE], *arguments]
    return list(arguments)


def _end_quietly_without_reader(arguments: Sequence[str]) -> None:
    """Where words are printed and nothing runs, a pager or `head` that has read enough ends the process."""
    if any(word.partition("=")[0] in PRINTING for word in arguments) and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _relaunch_as_module() -> None:
    """Let Lightning start further processes by `python -m agg2exp`, as `sys.argv[0]` is no longer a file."""
    started = sys.modules["__main__"]
    if started.__spec__ is None:
        started.__spec__ = importlib.util.find_spec("agg2exp.__main__")


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, JOBS))
    jobs = "\n".join(f"  {name:<{width}}  {job.summary}" for name, job in JOBS.items())
    parser = argparse.ArgumentParser(
        prog="agg2exp",
        usage="%(prog)s <job> [overrides] [-m]",
        description="Explain 3D medical segmentation models by the importance of regions of interest.",
        epilog=f"jobs:\n{jobs}\n\n"
        "'agg2exp <job> --help' shows the configuration of a job; overrides and flags are Hydra's:\n"
        "-m runs several jobs, --cfg job prints the configuration, --config-dir adds your own.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("job", metavar="<job>", help=argparse.SUPPRESS)
    return parser


def _unknown(name: str) -> str:
    closest = difflib.get_close_matches(name, JOBS, n=1)
    hint = f" Did you mean '{closest[0]}'?" if closest else ""
    return f"unknown job '{name}', expected one of: {', '.join(JOBS)}.{hint}"
