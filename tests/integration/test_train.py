"""`agg2exp train` on a tiny phantom, and its weights in `agg2exp explain`."""

import os
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from agg2exp.data.phantom import PhantomCohort
from agg2exp.domain.description import text
from agg2exp.domain.errors import CaseError
from agg2exp.run.training_module import SegmentationModule
from agg2exp.store.case_store import CaseStore
from tests.helpers.forks import started
from tests.helpers.runs import CASES, ONE_CASE, PHANTOMS, Finished, Tiny, run

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
        ("model.windows.overlap=2", "model.windows.overlap: expected a number of at least 0 and below 1, got 2."),
        ("data.patches=null", "data.patches: expected settings of training patches"),
        ("+module.foo=1", "module: SegmentationModule.__init__() got an unexpected keyword argument 'foo'"),
    ],
)
def test_wrong_values(wrong: str, message: str, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run("train", [*tiny.train(), wrong], tmp_path).code == 1
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


EPOCHS = 4


@pytest.fixture(scope="module")
def several(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments of a training over three cases and four epochs, with dropout, so that every generator is drawn from."""
    folder = tmp_path_factory.mktemp("several")
    PhantomCohort(root=folder, **{**PHANTOMS, "splits": {"train": 3, "val": 1, "test": 1}}).generate()
    chosen = [f"trainer.max_epochs={EPOCHS}", "callbacks.progress=null", "+trainer.enable_progress_bar=false",
              "+model.network.dropout=0.2"]  # fmt: skip
    words = [w for w in tiny.train(*chosen) if not w.startswith(("data.root=", "data.generator.splits="))]
    return [*words, f"data.root={folder}", "data.generator.splits={train:3,val:1,test:1}"]


@pytest.fixture(scope="module")
def unbroken(several: list[str], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    finished = run("train", several, tmp_path_factory.mktemp("unbroken"))
    assert finished.code == 0
    return finished


def all_equal(one: Path, other: Path) -> bool:
    """Whether final, best and last weights are the same bit for bit, the state of the optimizer too."""
    for name in ("best", "last"):
        a, b = (torch.load(o / "checkpoints" / f"{name}.ckpt", weights_only=True) for o in (one, other))
        if not all(torch.equal(a["state_dict"][k], b["state_dict"][k]) for k in a["state_dict"]):
            return False
        if name == "last" and text(a["optimizer_states"]) != text(b["optimizer_states"]):
            return False
    a, b = (load_file(o / "weights.safetensors") for o in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_training_goes_on_to_the_same_weights(
    epoch: int, workers: int, several: list[str], unbroken: Finished, tmp_path: Path
) -> None:
    arguments, reference = [*several, f"+data.patches.num_workers={workers}"], unbroken.output
    if workers:
        reference = tmp_path / "reference"
        assert run("train", arguments, reference).code == 0
    output = tmp_path / "killed"
    process = started(arguments, output, job="train")
    last = output / "checkpoints" / "last.ckpt"
    while process.is_alive() and epoch_of(last) < epoch:
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (output / "weights.safetensors").exists()
    assert run("train", arguments, output).code == 0
    assert all_equal(output, reference)
    assert (output / "test_dice.csv").read_bytes() == (reference / "test_dice.csv").read_bytes()


def epoch_of(path: Path) -> int:
    """Epochs that are whole."""
    return torch.load(path, weights_only=True)["epoch"] + 1 if path.is_file() else 0


def test_a_finished_training_is_not_repeated_and_its_log_stays(several: list[str], unbroken: Finished) -> None:
    kept = [unbroken.output / name for name in ("metrics/metrics.csv", "test_dice.csv")]
    before, weights = [path.read_bytes() for path in kept], load_file(unbroken.output / "weights.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", lambda *_: pytest.fail("trained again"))
        assert run("train", several, unbroken.output).code == 0
    assert [path.read_bytes() for path in kept] == before
    again = load_file(unbroken.output / "weights.safetensors")
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_a_training_whose_folder_was_moved_is_not_gone_on_with(
    several: list[str], unbroken: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lightning would forget how good its best weights were."""
    shutil.copytree(unbroken.output, tmp_path / "moved")
    assert run("train", several, tmp_path / "moved").code == 1
    assert f"(folder: then {unbroken.output}, now {tmp_path / 'moved'})" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("module.optimizer.lr=2e-4", "module: make_optimizer: then"),
        (f"trainer.max_epochs={EPOCHS + 1}", "trainer: then"),
        ("seed=1", "seed: then 0, now 1"),
        ("data.patches.noise=0.02", "patches: then"),
        ("model.preprocessing.intensity.low=-1000", "preprocessing: then"),
    ],
)
def test_a_training_does_not_go_on_with_other_settings(
    change: str, named: str, several: list[str], unbroken: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (unbroken.output / "checkpoints" / "last.ckpt").read_bytes()
    words = [w for w in several if w.split("=")[0] != change.split("=")[0]]
    assert run("train", [*words, change if change[0] != "d" else f"++{change}"], unbroken.output).code == 1
    said = capsys.readouterr().err
    assert f"the settings of the training so far ({named}" in said
    assert "Traceback" not in said
    assert (unbroken.output / "checkpoints" / "last.ckpt").read_bytes() == before


def test_without_a_test_split_the_weights_are_kept(several: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    PhantomCohort(root=folder, **{**PHANTOMS, "splits": {"train": 1, "val": 1, "test": 0}}).generate()
    words = [w for w in several if not w.startswith(("data.root=", "data.generator.splits=", "trainer.max_epochs="))]
    own = [f"data.root={folder}", "data.generator.splits={train:1,val:1,test:0}", "trainer.max_epochs=1"]
    assert run("train", [*words, *own], tmp_path / "run").code == 0
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    assert not (tmp_path / "run" / "test_dice.csv").exists()
    assert "no cases of the split test" in (tmp_path / "run" / "train.log").read_text()


def test_weights_are_saved_before_a_test_that_fails(
    several: list[str], unbroken: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreadable(self: SegmentationModule, batch: object, batch_idx: int) -> None:
        raise CaseError("s0005", "the scan cannot be read.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationModule, "test_step", unreadable)
        assert run("train", several, tmp_path).code == 1
    said = capsys.readouterr().err
    assert "agg2exp: case s0005: the scan cannot be read." in said
    assert "Traceback" not in said
    one, other = (load_file(folder / "weights.safetensors") for folder in (tmp_path, unbroken.output))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_training_says_what_is_kept_and_goes_on_to_the_same_weights(
    number: int, several: list[str], unbroken: Finished, tmp_path: Path
) -> None:
    step, steps = SegmentationModule.training_step, []
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell starts us with Ctrl-C ignored
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}

    def interrupted(self: SegmentationModule, batch: object, batch_idx: int) -> torch.Tensor:
        steps.append(batch_idx)
        if len(steps) == 5:  # in the second epoch
            os.kill(os.getpid(), number)
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", interrupted)
        assert run("train", several, tmp_path).code != 0
    for n, handler in before.items():
        signal.signal(n, handler)
    said = (tmp_path / "train.log").read_text()
    assert "the state after the last whole epoch are kept in checkpoints/" in said
    assert "resume=" in said
    assert epoch_of(tmp_path / "checkpoints" / "last.ckpt") == 1
    assert run("train", several, tmp_path).code == 0
    assert all_equal(tmp_path, unbroken.output)
    rows = [pd.read_csv(path) for path in sorted((tmp_path / "metrics").rglob("metrics.csv"))]
    assert len(rows) == 2
    assert sum(table["val/dice"].count() for table in rows) == EPOCHS
