"""Made once and read by many tests: tiny phantoms, weights, and one finished run."""

from __future__ import annotations

import pytest

from tests.helpers.runs import Finished, Tiny, run


@pytest.fixture(autouse=True)
def quiet_trackers(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test talks to a tracker's server or writes beside its own folders, and no shell's settings leak in."""
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path_factory.getbasetemp() / "wandb"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    for name in ("AGG2EXP_DATA", "AGG2EXP_RUNS", "LOCAL_RANK", "HYDRA_FULL_ERROR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Five phantoms and the weights of the tiny U-Net."""
    return Tiny.made(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def explained(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """`agg2exp explain` of three cases: SmoothGrad, two classes and the one that is not predicted, all callbacks."""
    chosen = [
        "classes=[heart,aorta,thyroid_gland]",
        "callbacks.volumes.attribution=[heart]",
        "callbacks.slices.first=1",
    ]
    finished = run("explain", tiny.explain(*chosen), tmp_path_factory.mktemp("explained"))
    assert finished.code == 0
    return finished
