"""Code counts by its content, wherever it was written."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

import agg2exp
from agg2exp.domain.code import WITHOUT_RESULTS, code_of, versions
from agg2exp.supervoxels import Cubes

NETWORK = """
import math
from torch import nn
from {package}.blocks import scale

class Network(nn.Module):
    def forward(self, x):
        return {factor} * scale(x)
"""
BLOCKS = "def scale(x):\n    from . import constants\n    return constants.BY * x\n"


def write(folder: Path, package: str, factor: int = 1, by: int = 2) -> None:
    (folder / package).mkdir(exist_ok=True)
    for name, content in {
        "__init__": "",
        "network": NETWORK.format(package=package, factor=factor),
        "blocks": BLOCKS,
        "constants": f"BY = {by}\n",
        "unused": "UNUSED = 1\n",
    }.items():
        (folder / package / f"{name}.py").write_text(content)


def code_in_another_process(folder: Path, package: str, hash_seed: str = "0") -> str:
    program = f"from {package}.network import Network; from agg2exp.domain.code import code_of; print(code_of(Network))"
    environment = {"PYTHONPATH": f"{folder}:{Path(sys.modules['agg2exp'].__file__).parents[1]}"}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**environment, "PYTHONHASHSEED": hash_seed},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_changed_line_anywhere_in_the_users_code_changes_it(tmp_path: Path) -> None:
    write(tmp_path, "mine")
    first = code_in_another_process(tmp_path, "mine")
    assert len(first) == 16
    assert code_in_another_process(tmp_path, "mine", hash_seed="7") == first
    write(tmp_path, "mine", factor=3)
    forward = code_in_another_process(tmp_path, "mine")
    write(tmp_path, "mine", by=5)  # of a module that a function of another module imports when it is called
    constant = code_in_another_process(tmp_path, "mine")
    assert len({first, forward, constant}) == 3
    write(tmp_path, "mine")
    (tmp_path / "mine" / "unused.py").write_text("UNUSED = 2\n")
    assert code_in_another_process(tmp_path, "mine") == first


def test_a_file_that_is_edited_while_its_code_runs_changes_nothing_until_it_is_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path, "edited")
    module = importlib.import_module("edited.network")
    first = code_of(module.Network)
    write(tmp_path, "edited", factor=30)
    assert code_of(module.Network) == first
    importlib.invalidate_caches()
    assert code_of(importlib.reload(module).Network) != first


def test_code_that_is_recorded_by_version_has_none_of_its_own() -> None:
    assert code_of(nn.Conv3d, Cubes, dict, Path) == ""
    assert versions()["agg2exp"].startswith(importlib.import_module("agg2exp").__version__)
    assert {"torch", "monai", "numpy", "scipy"} <= versions().keys()


def test_a_method_replaced_in_memory_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Network(nn.Module):
        def forward(self, x):
            return x

    first = code_of(Network)
    monkeypatch.setattr(Network, "forward", lambda self, x: 2 * x)
    assert code_of(Network) not in ("", first)


def test_classes_without_a_file_are_told_apart_by_what_they_do() -> None:
    def typed(factor: int) -> type:
        session = {"__name__": "a_session"}
        helper = f"def helper(x):\n    return {factor} * x\n"
        exec(f"{helper}class Mine:\n    def __call__(self, x):\n        return helper(x)", session)
        return session["Mine"]

    assert code_of(typed(2)) == code_of(typed(2)) != code_of(typed(3))


SESSION = """
import functools
FACTOR = {0}
class Mine:
    own = ({1}, [{2}])
    def __call__(self, x, by={3}):
        return FACTOR * x * by
    @staticmethod
    def fixed(x):
        return {4} * x
    @property
    def bound(self):
        return {5}
    @functools.cached_property
    def kept(self):
        return {6}
"""


@pytest.mark.parametrize("place", range(7))
def test_of_a_class_without_a_file_each_value_in_it_or_named_by_it_counts(place: int) -> None:
    def typed(*values: int) -> type:
        session = {"__name__": "a_session"}
        exec(SESSION.format(*values), session)
        return session["Mine"]

    usual = [1] * 7
    assert code_of(typed(*usual)) == code_of(typed(*usual)) != code_of(typed(*usual[:place], 2, *usual[place + 1 :]))


def test_the_folders_whose_code_does_not_count_are_there() -> None:
    root = Path(agg2exp.__file__).parent
    assert [folder for folder in WITHOUT_RESULTS if not (root / folder).is_dir()] == []
