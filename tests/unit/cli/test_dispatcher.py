"""The dispatcher is tested in processes of its own: it changes `sys.argv`, the environment and `__main__`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agg2exp import __version__
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.main import JOBS, with_job_word
from agg2exp.domain.environment import JOB_VARIABLE

HEAVY = ["torch", "lightning", "monai", "wandb", "matplotlib", "pandas"]

# A job that tells what it was given, in the place of the real one.
FAKE_JOB = """
import json, os, sys, types
def tell():
    spec = sys.modules["__main__"].__spec__
    print(json.dumps({"argv": sys.argv, "job": os.environ["AGG2EXP_JOB"], "main": spec and spec.name,
                      "heavy": sorted(set(HEAVY + ["hydra"]) & set(sys.modules))}))
sys.modules["agg2exp.cli.explain"] = types.SimpleNamespace(main=tell)
from agg2exp.cli.main import main
main()
"""

# The real dispatcher and job; the last line names the heavy libraries that were imported on the way.
REAL_JOB = """
import sys
from agg2exp.cli.main import main
try:
    main()
finally:
    print("heavy:", *sorted(set(HEAVY) & set(sys.modules)))
"""


def run(*command: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in {"LOCAL_RANK", JOB_VARIABLE}}
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run_code(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("-c", f"HEAVY = {HEAVY}\n{code}", *arguments, **environment)


def told(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_job_gets_overrides_usage_name_and_environment():
    answer = told(run_code(FAKE_JOB, "explain", "data=phantom", "-m"))
    assert answer["argv"] == ["agg2exp explain", "data=phantom", "-m"]
    assert answer["job"] == "explain"
    assert answer["heavy"] == []


def test_started_from_a_script_children_are_relaunched_as_module():
    # Lightning starts children as `python -m <name of __main__>`, or else as the file sys.argv[0].
    assert told(run_code(FAKE_JOB, "explain"))["main"] == "agg2exp.__main__"


def test_child_process_without_job_word_runs_the_job_of_its_parent():
    answer = told(run_code(FAKE_JOB, "data=phantom", LOCAL_RANK="1", AGG2EXP_JOB="explain"))
    assert answer["argv"] == ["agg2exp explain", "data=phantom"]


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["a=1"], {"LOCAL_RANK": "1", "AGG2EXP_JOB": "train"}, ["train", "a=1"]),
        ([], {"LOCAL_RANK": "1", "AGG2EXP_JOB": "train"}, ["train"]),
        (["explain"], {"LOCAL_RANK": "1", "AGG2EXP_JOB": "train"}, ["explain"]),
        (["a=1"], {"AGG2EXP_JOB": "train"}, ["a=1"]),
        (["a=1"], {"LOCAL_RANK": "1"}, ["a=1"]),
    ],
)
def test_job_word_is_restored_only_in_a_child_that_lacks_it(arguments, environment, expected):
    assert with_job_word(arguments, environment) == expected


@pytest.mark.parametrize(("typed", "hint"), [("explian", "Did you mean 'explain'?"), ("xyz", "")])
def test_unknown_job_names_the_jobs_and_the_closest(typed, hint):
    done = run("-m", "agg2exp", typed)
    assert done.returncode == 2
    assert f"unknown job '{typed}', expected one of: {', '.join(JOBS)}." in done.stderr
    assert hint in done.stderr
    assert bool(hint) == ("Did you mean" in done.stderr)


def test_no_job_is_an_error():
    done = run("-m", "agg2exp")
    assert done.returncode == 2
    assert "<job>" in done.stderr


def test_version():
    assert run("-m", "agg2exp", "--version").stdout == f"agg2exp {__version__}\n"


def test_help_lists_the_jobs_and_imports_nothing_heavy():
    done = run_code(REAL_JOB.replace("HEAVY)", "HEAVY + ['hydra'])"), "--help")
    assert done.returncode == 0
    for name, job in JOBS.items():
        assert name in done.stdout
        assert job.summary in done.stdout
    assert done.stdout.endswith("heavy:\n")


@pytest.mark.parametrize("job", JOBS)
def test_help_of_a_job_imports_nothing_heavy(job):
    done = run_code(REAL_JOB, job, "--help")
    assert done.returncode == 0, done.stderr
    assert job in done.stdout
    assert done.stdout.endswith("heavy:\n")


def test_configuration_of_an_installed_package_comes_before_a_checkout(tmp_path: Path):
    package = tmp_path / "src" / "agg2exp"
    package.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="agg2exp found its configuration neither in"):
        conf_dir(package)
    (tmp_path / "conf").mkdir()
    assert conf_dir(package) == tmp_path.resolve() / "conf"
    (package / "conf").mkdir()
    assert conf_dir(package) == package.resolve() / "conf"


def test_shipped_configuration_is_found_from_any_folder(tmp_path: Path):
    done = run("-c", "from agg2exp.cli.conf_dir import conf_dir; print(conf_dir())", cwd=tmp_path)
    folder = Path(done.stdout.strip())
    assert folder.is_absolute()
    assert {f"{job}.yaml" for job in JOBS} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("arguments", [["--help"], ["explain", "--help"], ["explain", "--cfg", "job"], ["-h"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(arguments: list[str]):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "agg2exp", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()  # before anything is written
    said = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert said == b""
