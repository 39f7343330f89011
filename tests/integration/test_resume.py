"""A run that was cut off goes on, and ends with the tables of an unbroken one."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from agg2exp.data.phantom import PhantomCohort
from agg2exp.run.module import ExplanationModule
from tests.helpers.forks import started
from tests.helpers.runs import PHANTOMS, Finished, Tiny, run

KILLS = int(os.environ.get("AGG2EXP_KILLS", "20"))
TABLES = ("roi_importance", "segmentation", "global_importance")
CHEAP = ["attribution=vanilla_gradient", "classes=[heart,aorta]", "callbacks=tables", "logger=none"]


def tables(output: Path) -> list[bytes]:
    return [(output / "tables" / f"{name}.parquet").read_bytes() for name in TABLES]


@pytest.fixture(scope="module")
def dozen(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments of a run over twelve cases."""
    folder = tmp_path_factory.mktemp("dozen")
    settings = {**PHANTOMS, "splits": {"train": 0, "val": 0, "test": 12}}
    PhantomCohort(root=folder, **settings).generate()
    own = [f"data.root={folder}", "data.generator.splits={train:0,val:0,test:12}"]
    return [*(w for w in tiny.explain(*CHEAP) if not w.startswith(("data.root=", "data.generator.splits="))), *own]


@pytest.fixture(scope="module")
def unbroken(dozen: list[str], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    finished = run("explain", dozen, tmp_path_factory.mktemp("unbroken"))
    assert finished.code == 0
    return finished


def test_a_finished_run_computes_nothing_again(
    dozen: list[str], unbroken: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(unbroken.output)
    written = {path: path.stat().st_mtime_ns for path in (unbroken.output / "cases").iterdir()}
    monkeypatch.setattr(ExplanationModule, "explain", None)  # nobody may call it
    assert run("explain", dozen, unbroken.output).code == 0
    assert tables(unbroken.output) == before
    assert written == {path: path.stat().st_mtime_ns for path in (unbroken.output / "cases").iterdir()}


def test_a_changed_setting_is_named(dozen: list[str], unbroken: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    before = tables(unbroken.output)
    assert run("explain", [*dozen, "score=mean"], unbroken.output).code == 1
    message = capsys.readouterr().err
    assert "score: then sum, now mean" in message
    assert "Traceback" not in message
    assert tables(unbroken.output) == before


def recorded(output: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in output.rglob(".hydra/*.yaml")}


@pytest.mark.parametrize("flags", [[], ["-m"]], ids=["run", "multirun"])
def test_a_refused_command_leaves_what_is_recorded_of_the_run(tiny: Tiny, tmp_path: Path, flags: list[str]) -> None:
    usual = [*flags, *tiny.explain(*CHEAP, "data.limit=1")]
    assert run("explain", usual, tmp_path).code == 0
    before = recorded(tmp_path)
    assert len(before) == 3
    assert run("explain", [*usual, "attribution=input_x_gradient"], tmp_path).code == 1
    assert recorded(tmp_path) == before  # reports would name the other method
    assert run("explain", [*usual, "data.limit=2"], tmp_path).code == 0
    assert recorded(tmp_path) != before


def test_a_case_that_failed_is_tried_again(dozen: list[str], unbroken: Finished, tmp_path: Path) -> None:
    explain = ExplanationModule.explain
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ExplanationModule,
            "explain",
            lambda self, case, *fallback: 1 / 0 if case.id in ("s0002", "s0007") else explain(self, case, *fallback),
        )
        assert run("explain", dozen, tmp_path).code == 1
    assert (tmp_path / "failures.csv").is_file()
    assert run("explain", dozen, tmp_path).code == 0
    assert not (tmp_path / "failures.csv").exists()
    assert tables(tmp_path) == tables(unbroken.output)


def test_interruption_ends_in_order_and_says_how_to_go_on(
    dozen: list[str], unbroken: Finished, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    explain = ExplanationModule.explain
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell starts us with Ctrl-C ignored
    for number, wanted in ((signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 1)):
        before = signal.getsignal(number)
        with pytest.MonkeyPatch.context() as patch:
            calls: list[str] = []

            def interrupted(self: ExplanationModule, *arguments, calls: list[str] = calls, number: int = number):
                calls.append("x")
                if len(calls) == 4:
                    os.kill(os.getpid(), number)
                return explain(self, *arguments)

            patch.setattr(ExplanationModule, "explain", interrupted)
            assert run("explain", dozen, tmp_path).code == wanted
        signal.signal(number, before)
        assert f"repeat the command with resume={tmp_path}" in (tmp_path / "explain.log").read_text()
    assert len(list((tmp_path / "cases").glob("s*.safetensors"))) == 6
    assert run("explain", dozen, tmp_path).code == 0
    assert tables(tmp_path) == tables(unbroken.output)


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed(dozen: list[str], unbroken: Finished, tmp_path: Path) -> None:
    """AGG2EXP_KILLS=200 makes it longer."""
    draw = random.Random(0)
    expected, kills, runs, longest = tables(unbroken.output), 0, 0, 4.0
    while kills < KILLS:
        output, ended = tmp_path / f"run{runs}", None
        runs += 1
        while ended != 0:
            start = time.monotonic()
            process = started(dozen, output)
            process.join(draw.uniform(0, longest) if kills < KILLS else None)
            if process.is_alive():
                process.kill()
                process.join()
                kills += 1
            else:
                longest = max(longest, time.monotonic() - start)
            ended = process.exitcode
            assert ended in (0, -signal.SIGKILL)
            if ended and kills % 5 == 0:
                longest *= 1.3  # so that a slow machine gets somewhere between two kills
        assert tables(output) == expected
    assert runs > 1


@pytest.mark.slow
def test_killed_on_two_devices_and_resumed(dozen: list[str], unbroken: Finished, tmp_path: Path) -> None:
    arguments = [w for w in dozen if not w.startswith("trainer.")] + ["trainer=ddp_cpu"]
    for finished in (2, 7):
        process = started(arguments, tmp_path)
        while process.is_alive() and len(list((tmp_path / "cases").glob("s*.safetensors"))) < finished:
            time.sleep(0.02)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "tables").exists()
    process = started(arguments, tmp_path)
    process.join()
    assert process.exitcode == 0
    assert tables(tmp_path) == tables(unbroken.output)
