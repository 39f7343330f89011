"""What jobs make in the same way: module, trainer, and loggers that are finished."""

from importlib.metadata import version
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from lightning.pytorch.loggers import WandbLogger
from omegaconf import OmegaConf

from agg2exp.cli.application import JobError
from agg2exp.cli.builders import explanation_module, tracked, trainer
from agg2exp.cli.segmentation_model import trained_model
from agg2exp.domain.errors import SettingError
from tests.helpers.runs import Tiny, composed


def module(tiny: Tiny, folder: Path, *overrides: str):
    with composed("explain", [*tiny.explain(), *overrides], folder) as config:
        return explanation_module(config, trained_model(config))


def test_module_has_the_weights_and_records_where_they_come_from(tiny: Tiny, tmp_path: Path):
    made = module(tiny, tmp_path, "score=mean", "seed=5", "classes=[heart]")
    assert made.explainer.score.name == "mean"
    assert made.explainer.seed == 5
    assert made.explainer.classes == (made.labels.classes.index("heart"),)
    provenance = made.explainer.model.provenance
    assert provenance["model: spacing"] == "[15.0, 15.0, 15.0]"
    assert made.settings()["torch"] == version("torch")
    assert len(provenance["weights"]) == 16
    again = module(tiny, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(made.network.parameters(), again.network.parameters(), strict=True))


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ("+model.network.adn_ordering=AN", "network"),
        ("model.preprocessing.interpolation=nearest", "preprocessing"),
        ("model.preprocessing.body=null", "preprocessing"),
    ],
)
def test_what_weights_do_not_tell_of_network_and_images_is_recorded(
    tiny: Tiny, tmp_path: Path, override: str, name: str
):
    """A network with other order of layers takes the same weights; images of another contrast have the same files."""
    usual, other = (module(tiny, tmp_path, *overrides).settings() for overrides in ((), (override,)))
    assert {key.split(":")[0] for key in usual | other if usual.get(key) != other.get(key)} == {name}


def test_supervoxels_for_a_method_that_uses_none(tiny: Tiny, tmp_path: Path):
    with pytest.raises(SettingError, match=r"^supervoxels: expected none, got 'agg2exp\.supervoxels\.Cubes'\."):
        module(tiny, tmp_path, "supervoxels=cubes")
    with pytest.raises(SettingError, match=r"^supervoxels: expected none, got \{'edge': 3\}\."):
        module(tiny, tmp_path, "+supervoxels.edge=3")


def test_weights_of_another_model(tiny: Tiny, tmp_path: Path):
    with pytest.raises(JobError, match=r"^agg2exp: model\.weights: .*tiny\.safetensors does not fit UNet"):
        module(tiny, tmp_path, "model.network.channels=[4,8,16]")


def test_parts_set_to_null_are_left_out(tiny: Tiny, tmp_path: Path):
    overrides = [*tiny.explain(), "callbacks.slices=null", "callbacks.progress=null", "logger.csv=null"]
    with composed("explain", overrides, tmp_path) as config:
        made = trainer(config)
    names = {type(callback).__name__ for callback in made.callbacks}
    assert {"FailureWriter", "RoIImportanceWriter", "VolumeWriter"} <= names
    assert "SlicePictures" not in names
    assert made.loggers == []


def fake_wandb() -> MagicMock:
    return MagicMock(spec=WandbLogger)


@pytest.mark.parametrize("error", [None, JobError("some cases failed"), KeyboardInterrupt()])
def test_loggers_are_told_the_configuration_and_finished_whatever_happens(error: BaseException | None):
    wandb, other = fake_wandb(), MagicMock()
    config = OmegaConf.create({"seed": 1, "limit": "${seed}"})
    with pytest.raises(type(error)) if error else _nothing(), tracked([wandb, other], config):
        wandb.experiment.config.update.assert_called_once_with({"seed": 1, "limit": 1})
        wandb.experiment.finish.assert_not_called()
        if error:
            raise error
    wandb.experiment.finish.assert_called_once_with(exit_code=int(error is not None))
    other.finalize.assert_called_once_with("failed" if error else "success")


def test_w_and_b_is_not_told_which_cases_were_chosen():
    wandb = fake_wandb()
    told = {"data": {"split": "test", "cases": [1001]}, "highlight": {"target": "heart", "case": "s0001"}}
    with tracked([wandb], OmegaConf.create({**told, "metadata": "patients.csv"})):
        wandb.experiment.config.update.assert_called_once_with(
            {"data": {"split": "test"}, "highlight": {"target": "heart"}}
        )


def _nothing():
    from contextlib import nullcontext

    return nullcontext()
