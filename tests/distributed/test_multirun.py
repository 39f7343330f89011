"""One or two processes, one job or a sweep: each case once, one folder per job, the same bytes."""

import logging
import threading
from pathlib import Path

import pytest
import torch

from agg2exp.domain.case import Failure
from agg2exp.store.case_store import CaseStore
from agg2exp.store.failures import FailureLog
from tests.helpers.runs import CASES, ONE_CASE, Finished, Tiny, run

REPEATABLE = ["roi_importance", "segmentation", "global_importance", "metrics", "metric_summary"]
SCORES = ["sum", "mean", "median"]
METRICS = ["metric=[faithfulness,sensitivity,complexity]", "metric.faithfulness.n_subsets=3",
           "metric.faithfulness.subset_size=null", "metric.faithfulness.subset_fraction=0.1",
           "metric.sensitivity.n_samples=1", "module.cache=null"]  # fmt: skip
CHOSEN = ["attribution=smoothgrad", "classes=[heart,aorta]", "callbacks=tables", *METRICS]


@pytest.fixture(scope="module", autouse=True)
def job_word() -> None:
    """As the dispatcher leaves it; these jobs start in the process of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGG2EXP_JOB", "explain")
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def swept(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Three jobs with one process, then three with two, in one multirun."""
    output = tmp_path_factory.mktemp("swept into")  # a space in its name
    telling = ["module._target_=tests.helpers.ranks.Telling", "+module.journal=${paths.output}/journal"]
    sweep = ["trainer.devices=1,2", f"score={','.join(SCORES)}"]
    threads = torch.get_num_threads()
    finished = run("explain", ["-m", *tiny.explain(*CHOSEN, "trainer=ddp_cpu"), *telling, *sweep], output)
    assert finished.code == 0
    assert not torch.distributed.is_initialized()
    assert torch.get_num_threads() == threads
    assert not [t for t in threading.enumerate() if t.name.startswith("watch")]
    return finished


def journal(folder: Path) -> list[tuple[int, str, str]]:
    lines = (line.split() for line in (folder / "journal").read_text().splitlines())
    return [(int(rank), process, case) for rank, process, case in lines]


def test_one_folder_per_job(swept: Finished):
    assert sorted(p.name for p in swept.output.iterdir() if p.is_dir()) == [*"012345"]
    for job in "012345":
        assert CaseStore(swept.output / job).finished() == CASES
        assert len(list((swept.output / job).glob("*.log"))) == 1


def test_each_case_is_explained_once_by_as_many_processes_as_asked_for(swept: Finished):
    processes = set()
    for job in "012345":
        told = journal(swept.output / job)
        assert sorted(case for _, _, case in told) == CASES
        assert len({process for _, process, _ in told}) == (1 if job in "012" else 2)
        processes |= {process for rank, process, _ in told if rank == 1}
    assert len(processes) == 3  # every job has a second process of its own


@pytest.mark.parametrize("job", range(3))
def test_two_processes_write_the_bytes_of_one(swept: Finished, job: int):
    for name in REPEATABLE:
        one, two = (swept.output / str(j) / "tables" / f"{name}.parquet" for j in (job, job + 3))
        assert one.read_bytes() == two.read_bytes(), name


def test_jobs_of_the_sweep_differ(swept: Finished):
    tables = {(swept.output / job / "tables" / "roi_importance.parquet").read_bytes() for job in "345"}
    assert len(tables) == 3


def test_one_process_of_this_strategy_writes_the_bytes_of_none(swept: Finished, tiny: Tiny, tmp_path: Path):
    told = ["module._target_=tests.helpers.ranks.Telling", f"+module.journal={tmp_path}/journal"]
    plain = run("explain", [*tiny.explain(*CHOSEN, "trainer=cpu"), *told], tmp_path)
    for name in REPEATABLE:
        one, other = (f / "tables" / f"{name}.parquet" for f in (plain.output, swept.output / "0"))
        assert one.read_bytes() == other.read_bytes(), name


def test_one_case_on_two_devices(tiny: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        finished = run("explain", tiny.explain(*CHOSEN, "trainer=ddp_cpu", "data.limit=1"), tmp_path)
    assert finished.code == 0
    assert CaseStore(tmp_path).finished() == CASES[:1]
    assert "cases: 1, devices: 2; as many devices as cases are used" in (tmp_path / "explain.log").read_text()


def test_two_processes_try_cases_again_whose_writer_failed(tiny: Tiny, tmp_path: Path):
    """Rank 0 forgets the failures before the other process begins, which would count these cases as finished."""
    words = tiny.explain(*ONE_CASE, "data.limit=null", "logger=none")
    assert run("explain", [*words, "trainer=cpu"], tmp_path).code == 0
    written = {path.stem: path.stat().st_mtime_ns for path in (tmp_path / "cases").iterdir()}
    for case in CASES[:2]:
        FailureLog(tmp_path).record(Failure(case, "volumes", f"case {case}: disk is full", ""))
    assert run("explain", [*words, "trainer=ddp_cpu"], tmp_path).code == 0
    again = {path.stem for path in (tmp_path / "cases").iterdir() if path.stat().st_mtime_ns != written[path.stem]}
    assert again == {*CASES[:2]}


def test_training_on_two_devices_is_refused(tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    chosen = ["trainer=ddp_cpu", "trainer.enable_checkpointing=true", "+trainer.max_epochs=1"]
    finished = run("train", tiny.train(*chosen), tmp_path)
    said = capsys.readouterr().err
    assert finished.code == 1
    assert "agg2exp: trainer: expected a trainer on one device" in said
    assert "Traceback" not in said
