"""Kills inside a case, while a failure is recorded, and of memory; and two runs at once."""

from __future__ import annotations

import signal
from pathlib import Path

import pandas as pd
import pytest

from agg2exp.store.case_store import CaseStore
from tests.helpers.forks import started
from tests.helpers.runs import CASES, ONE_CASE, Tiny

TABLES = ("roi_importance", "segmentation", "global_importance")


class Run:
    """Parts of one run, each in a process of its own."""

    def __init__(self, tiny: Tiny, output: Path) -> None:
        self.tiny, self.output, self.said = tiny, output, output.parent / "said"

    def words(self, at: str = "", how: str = "explaining") -> list[str]:
        trouble = self.output.parent / "trouble"
        trouble.with_suffix(".txt").write_text(f"{at},{how}")
        own = ["module._target_=tests.helpers.ranks.Killed", f"+module.trouble={trouble}", "data.limit=null"]
        return self.tiny.explain(*ONE_CASE, "logger=none", *own)

    def part(self, at: str = "", how: str = "explaining", *more: str) -> int | None:
        process = started([*self.words(at, how), *more], self.output, self.said)
        process.join(240)
        return process.exitcode

    def tables(self) -> list[bytes]:
        return [(self.output / "tables" / f"{name}.parquet").read_bytes() for name in TABLES]

    def cases(self) -> list[str]:
        return sorted(set(pd.read_parquet(self.output / "tables" / "roi_importance.parquet")["case"]))

    def failures(self) -> dict[str, str]:
        return dict(pd.read_csv(self.output / "failures.csv")[["case_id", "error"]].itertuples(index=False))


@pytest.fixture(scope="module")
def unbroken(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    run = Run(tiny, tmp_path_factory.mktemp("unbroken") / "run")
    assert run.part() == 0, run.said.read_text()
    return run.tables()


@pytest.fixture
def run(tiny: Tiny, tmp_path: Path) -> Run:
    return Run(tiny, tmp_path / "run")


def test_killed_while_a_failure_is_recorded(run: Run, unbroken: list[bytes]):
    assert run.part(CASES[1], "recording") == -signal.SIGKILL
    assert [path.suffix for path in (run.output / "failures").iterdir()] == [".json"]  # half of it
    assert run.part() == 0, run.said.read_text()
    assert run.tables() == unbroken
    assert not (run.output / "failures.csv").exists()


def test_a_case_that_kills_the_process_is_tried_last_and_costs_no_other_case(run: Run, unbroken: list[bytes]):
    for finished, tables in (([], False), (CASES[1:], False), (CASES[1:], True)):
        assert run.part(CASES[0]) == -signal.SIGKILL
        assert CaseStore(run.output).finished() == finished
        assert (run.output / "tables").exists() == tables
    assert run.cases() == CASES[1:]
    assert f"case {CASES[0]} was under way when this run was killed (2 ×)" in run.said.read_text()
    assert run.part() == 0
    assert run.tables() == unbroken


def test_a_case_that_gets_no_memory_is_one_failure(run: Run, unbroken: list[bytes]):
    assert run.part(CASES[0], "memory") == 1
    assert list(run.failures()) == CASES[:1]
    assert run.cases() == CASES[1:]
    assert run.part() == 0, run.said.read_text()
    assert run.tables() == unbroken


def test_fewer_cases_do_not_shrink_the_tables_and_a_damaged_one_is_named(run: Run, unbroken: list[bytes]):
    assert run.part() == 0
    assert run.part("", "explaining", f"data.cases=[{CASES[2]}]") == 0
    assert run.tables() == unbroken
    assert "2 further cases of earlier parts of this run stay in its tables" in run.said.read_text()
    path = CaseStore(run.output).path(CASES[0])
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    assert run.part("", "explaining", f"data.cases=[{CASES[2]}]") == 1
    assert list(run.failures()) == CASES[:1]
    assert "is no readable result" in run.failures()[CASES[0]]
    assert run.cases() == CASES[1:]
    assert run.part() == 0
    assert run.tables() == unbroken
    assert not (run.output / "failures.csv").exists()


def test_cases_of_another_data_set_do_not_join(run: Run, tiny: Tiny, tmp_path: Path):
    assert run.part() == 0
    splits = "data.generator.splits={train:0,val:0,test:1}"
    assert run.part("", "explaining", f"data.root={tmp_path / 'other'}", splits) == 1
    said = run.said.read_text()
    assert f"a run whose finished cases the data set has; unknown to it are {', '.join(CASES)}" in said
    assert run.cases() == CASES


def test_of_two_runs_started_at_once_one_has_the_folder(run: Run, tiny: Tiny, unbroken: list[bytes]):
    both = [started(run.words(), run.output, run.said) for _ in range(2)]
    for process in both:
        process.join(240)
    assert sorted(process.exitcode or 0 for process in both) == [0, 1]
    assert "expected a folder that no other run uses" in run.said.read_text()
    assert run.tables() == unbroken
