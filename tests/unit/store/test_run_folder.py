"""One run at a time has a folder, and a crash gives it back."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agg2exp.domain.errors import SettingError
from agg2exp.store import file_lock, run_folder
from agg2exp.store.rank import GROUP_VARIABLES, RANK_VARIABLES
from agg2exp.store.run_folder import RUN, SWEEP, claim, is_run, release, to_resume

HOLDING = """
import sys, time
from pathlib import Path
from agg2exp.store.run_folder import claim
claim(Path(sys.argv[1]), "resume")
print("held", flush=True)
time.sleep(60)
"""
MANY = """
import sys, time
from pathlib import Path
from agg2exp.domain.errors import SettingError
from agg2exp.store.run_folder import claim
time.sleep(max(0, float(sys.argv[2]) - time.time()))
try:
    claim(Path(sys.argv[1]), "resume")
    print("held", flush=True)
    time.sleep(3)
except SettingError as error:
    print("refused" if "no other run uses" in str(error) else error)
"""


@pytest.fixture
def no_rank(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*RANK_VARIABLES, *GROUP_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def holding(folder: Path, **environment: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLDING, folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_of_runs_that_start_at_once_exactly_one_gets_the_folder(no_rank, tmp_path: Path):
    start = time.time() + 2
    command = [sys.executable, "-c", MANY, tmp_path / "run", str(start)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert said == ["held", *["refused"] * 4]


@pytest.mark.parametrize("locks", [True, False])
def test_a_killed_run_gives_its_folder_back(no_rank, tmp_path: Path, locks: bool):
    process = holding(tmp_path / "run")
    if not locks:  # a file system without any
        no_rank.setattr(file_lock, "fcntl", None)
    with pytest.raises(SettingError, match=rf"resume: .*Process {process.pid} on .* has been running in it since 20"):
        claim(tmp_path / "run", "resume")
    process.send_signal(signal.SIGKILL)
    process.wait()
    claim(tmp_path / "run", "resume")
    release(tmp_path / "run")


def test_without_locks_another_host_s_run_is_left_alone_until_it_has_ended(no_rank, tmp_path: Path):
    no_rank.setattr(file_lock, "fcntl", None)
    claim(tmp_path, "resume")
    release(tmp_path)
    holder = json.loads((tmp_path / RUN).read_text())
    (tmp_path / RUN).write_text(json.dumps({**holder, "host": "elsewhere", "ended": False}))
    with pytest.raises(SettingError, match=r"on elsewhere .*if it is gone for certain, delete .*agg2exp\.json"):
        claim(tmp_path, "resume")
    (tmp_path / RUN).write_text(json.dumps({**holder, "host": "elsewhere", "ended": True}))
    claim(tmp_path, "resume")
    release(tmp_path)


def test_ranks_of_one_run_share_its_folder(no_rank, tmp_path: Path):
    no_rank.setattr(run_folder, "JOIN", 1)
    no_rank.setenv("MASTER_PORT", "1234")
    claim(tmp_path / "run", "resume")
    run_folder._held.pop(tmp_path / "run")  # as in another process
    no_rank.setenv("RANK", "1")
    claim(tmp_path / "run", "resume")
    no_rank.setenv("MASTER_PORT", "4321")
    with pytest.raises(SettingError, match="the folder of rank 0"):
        claim(tmp_path / "run", "resume")


def test_a_job_of_a_multirun_goes_on_with_it(no_rank, tmp_path: Path):
    sweep, other = tmp_path / "sweep", tmp_path / "other"
    claim(sweep, "output", SWEEP)
    claim(sweep / "3", "paths.output", made_just_now=True)
    assert to_resume(sweep / "3") == sweep
    assert to_resume(other) == other
    for folder in (sweep / "3", sweep):
        release(folder)
    assert to_resume(sweep / "3") == sweep / "3"


@pytest.mark.parametrize("name", [RUN, SWEEP])
def test_our_own_folders_are_known(no_rank, tmp_path: Path, name: str):
    claim(tmp_path / "run", "resume", name)
    release(tmp_path / "run")
    (tmp_path / "run" / "table").touch()
    assert is_run(tmp_path / "run")
    claim(tmp_path / "run", "resume", name)
    release(tmp_path / "run")


def test_runs_of_earlier_versions_and_claims_that_were_cut_off_are_ours(no_rank, tmp_path: Path):
    (tmp_path / ".hydra").mkdir()
    assert is_run(tmp_path)
    (tmp_path / "explain.log").touch()
    assert not is_run(tmp_path)
    text = "runs: ${oc.env:AGG2EXP_RUNS,runs}\noutput: ${hydra:runtime.output_dir}\n"
    (tmp_path / ".hydra" / "config.yaml").write_text(text)
    assert is_run(tmp_path)
    (tmp_path / ".hydra" / "config.yaml").write_text("model: mine\noutput: ${hydra:runtime.output_dir}\n")
    assert not is_run(tmp_path)


def test_somebody_else_s_folder_stays_as_it_is(no_rank, tmp_path: Path):
    (tmp_path / "scan").touch()
    with pytest.raises(SettingError, match="holds scan; nothing was changed"):
        claim(tmp_path, "resume")
    assert [path.name for path in tmp_path.iterdir()] == ["scan"]


def test_a_multirun_that_has_ended_leaves_no_file_and_is_still_ours(no_rank, tmp_path: Path):
    claim(tmp_path, "hydra.sweep.dir", SWEEP)
    (tmp_path / "multirun.yaml").write_text("runs: ${oc.env:AGG2EXP_RUNS,runs}\noutput: ${hydra:runtime.output_dir}\n")
    release(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["multirun.yaml"]
    claim(tmp_path, "hydra.sweep.dir", SWEEP)
    release(tmp_path)


@pytest.mark.parametrize(
    "name", ["tables", "volumes", "volumes/s0001", "cases", ".hydra/agg2exp.json", "explain.log", "wandb", "absent"]
)
def test_a_run_in_which_a_link_leads_out_is_refused_untouched(no_rank, tmp_path: Path, name: str):
    theirs, run = tmp_path / "theirs", tmp_path / "run"
    theirs.mkdir()
    (theirs / "precious").write_text("mine")
    claim(run, "resume")
    release(run)
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(theirs / "precious" if "." in name else theirs / "gone" if name == "absent" else theirs)
    if not is_run(run):
        (run / SWEEP).touch()
    with pytest.raises(SettingError, match=rf"(?s)resume: expected a run without links.*{name}.*theirs"):
        claim(run, "resume")
    assert [(path.name, path.read_text()) for path in theirs.iterdir()] == [("precious", "mine")]


def test_links_within_a_run_those_of_a_tracker_and_one_to_the_run_are_followed(no_rank, tmp_path: Path):
    run = tmp_path / "run"
    claim(run, "resume")
    release(run)
    (run / "wandb").mkdir()
    (run / "wandb" / "core.log").symlink_to(tmp_path / "cache")
    (run / "latest").symlink_to("wandb")
    (run / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to(run)
    claim(tmp_path / "link", "resume")
    release(tmp_path / "link")
