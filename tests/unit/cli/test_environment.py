"""What a run was made with."""

from __future__ import annotations

import json
from pathlib import Path

import torch

import agg2exp
from agg2exp.cli.environment import write_environment


def test_environment(tmp_path: Path):
    write_environment(tmp_path, "cpu")
    facts = json.loads((tmp_path / "environment.json").read_text())
    assert facts["packages"]["torch"] == torch.__version__
    assert facts["packages"]["agg2exp"] == agg2exp.__version__
    assert facts["device"] == "cpu"
    assert facts["threads"] == torch.get_num_threads()
