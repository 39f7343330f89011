"""`agg2exp train` on a tiny phantom, and its weights in `agg2exp explain`."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from agg2exp.io.case_store import CaseStore
from tests.helpers.runs import CASES, ONE_CASE, Finished, Tiny, run

STEPS = 2


@pytest.fixture(scope="module")
def trained(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    chosen = [f"trainer.max_epochs={STEPS}", "callbacks.progress=null", "+trainer.enable_progress_bar=false"]
    finished = run("train", tiny.train(*chosen), tmp_path_factory.mktemp("trained"))
    assert finished.code == 0
    return finished


def test_training_writes_weights_metrics_and_test_dice(trained: Finished):
    with safe_open(trained.output / "weights.safetensors", framework="pt") as file:
        assert file.metadata()["network"] == "UNet"
        assert file.metadata()["spacing"] == "[15.0, 15.0, 15.0]"
    metrics = pd.read_csv(trained.output / "metrics" / "metrics.csv")
    assert metrics["train/loss"].count() == STEPS
    assert metrics["val/dice"].count() == STEPS
    dice = pd.read_csv(trained.output / "test_dice.csv", index_col="class")["dice"]
    assert len(dice) == 17
    assert dice.dropna().between(0, 1).all()


def test_trained_weights_can_be_explained(trained: Finished, tiny: Tiny, tmp_path: Path):
    weights = trained.output / "weights.safetensors"
    assert run("explain", [*tiny.explain(*ONE_CASE), f"model.weights={weights}"], tmp_path).code == 0
    first = CaseStore(tmp_path).read(CASES[0]).settings["weights"]
    checkpoint = trained.output / "checkpoints" / "best.ckpt"
    assert run("explain", [*tiny.explain(*ONE_CASE), f"model.weights={checkpoint}"], tmp_path / "ckpt").code == 0
    assert CaseStore(tmp_path / "ckpt").read(CASES[0]).settings["weights"] == first  # the same values


def test_training_can_be_repeated(trained: Finished, tiny: Tiny, tmp_path: Path):
    again = run("train", tiny.train(f"trainer.max_epochs={STEPS}"), tmp_path)
    assert again.code == 0
    first, second = (load_file(f.output / "weights.safetensors") for f in (trained, again))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_goes_on_from_given_weights(tiny: Tiny, tmp_path: Path):
    chosen = [f"start={tiny.weights}", "module.optimizer.lr=0", "callbacks.progress=null"]
    assert run("train", tiny.train(*chosen), tmp_path).code == 0
    before, after = load_file(tiny.weights), load_file(tmp_path / "weights.safetensors")
    learned = [name for name in before if name.endswith(("weight", "bias"))]
    assert learned and all(torch.equal(before[name], after[name]) for name in learned)


@pytest.mark.parametrize(
    ("start", "message"),
    [("shipped:unet_phantom.safetensors", "was trained with other settings"), ("absent.pt", "an existing file")],
)
def test_weights_to_go_on_from_must_fit(
    start: str, message: str, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run("train", [*tiny.train(), f"start={start}"], tmp_path).code == 1
    said = capsys.readouterr().err
    assert "agg2exp: start: " in said and message in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("inference.overlap=2", "inference.overlap: expected a number of at least 0 and below 1, got 2."),
        ("data.patches=null", "data.patches: expected settings of training patches"),
        ("+module.foo=1", "module: SegmentationModule.__init__() got an unexpected keyword argument 'foo'"),
    ],
)
def test_wrong_values(wrong: str, message: str, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run("train", [*tiny.train(), wrong], tmp_path).code == 1
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
