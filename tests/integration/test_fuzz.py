"""A small fixed corpus of the fuzzer: every mutated input is read right or refused in words."""

import pytest

from experiments.robustness import fuzz


@pytest.mark.parametrize("kind", list(fuzz.KINDS))
def test_mutated_inputs_are_read_right_or_refused(kind: str):
    ends = [(ended, said, mutant) for mutant, ended, said in fuzz.outcomes(kind, n=150, seed=12345)]
    assert [end for end in ends if end[0] in fuzz.FAULTS] == []
    found = {ended for ended, _, _ in ends}
    assert found & {"right", fuzz.RECORDED} and found & {"clean", fuzz.RECORDED}


class Raises:
    @staticmethod
    def read(mutant, folder):
        raise KeyError(mutant)


class Hangs:
    @staticmethod
    def read(mutant, folder):
        while True:
            pass


class Changes:
    @staticmethod
    def read(mutant, folder):
        return mutant + 1

    @staticmethod
    def is_right(mutant, value):
        return mutant == value


@pytest.mark.parametrize(("module", "ended"), [(Raises, "traceback"), (Hangs, "hang"), (Changes, "changed")])
def test_faults_are_told_apart(module, ended: str, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    assert fuzz.outcome(module, 1, tmp_path)[0] == ended


def test_a_fault_makes_the_command_fail(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(
        fuzz, "module_of", lambda kind: type("M", (Raises,), {"mutant": staticmethod(lambda random: 7)})
    )
    assert fuzz.main(["--n", "2", "--kinds", "meta.csv"]) == 1
    assert "KeyError: 7" in capsys.readouterr().out
    monkeypatch.undo()
    assert fuzz.main(["--n", "5", "--kinds", "meta.csv"]) == 0
