"""What a message tells the user to type arrives as it was meant."""

import shlex
import subprocess

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from agg2exp.domain.hints import override, pasted

FOLDERS = [
    "runs/a", "runs/lr=0.1", "runs/my run", "runs/a,b", "runs/(1)", "runs/[1]", "runs/{1}", "runs/münchen", "runs/日本",
    "runs/it's", 'runs/"x"', 'runs/\\"x', "runs/back\\slash", "runs/ends\\", "runs/#1", "runs/$HOME",
    "runs/${oc.env:HOME}", "runs/\\${x}", "runs/a&b;c|d", "runs/*?", "runs/~", "~", "5", "1e5", "null", "true",
    "nan", "runs/%d", "runs/a:b",
    "runs/!x", "/", ".", " runs/blank ", "runs/`x`",
]  # fmt: skip


def read_back(hint: str) -> str:
    (word,) = shlex.split(hint)
    parsed = OverridesParser.create().parse_override(word)
    assert not parsed.is_sweep_override()
    return str(OmegaConf.create({"value": parsed.value()}).value)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_pasted_hint_means_the_folder_that_it_names(folder: str):
    assert read_back(pasted("resume", folder)) == folder
    shell = subprocess.run(
        ["sh", "-c", f"printf %s {pasted('resume', folder)}"], capture_output=True, text=True, check=True
    )
    assert shell.stdout == override("resume", folder)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_printable_path_arrives(path: str):
    assert read_back(pasted("model.weights", path)) == path


def test_a_plain_path_stays_plain():
    assert pasted("resume", "runs/explain/2026-01-02_03-04-05") == "resume=runs/explain/2026-01-02_03-04-05"
