"""Every option on disk composes and makes its objects; a new file is picked up by itself."""

import inspect
from pathlib import Path

import pytest
import torch
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError

from agg2exp.cli.application import build, plain
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.data_choice import data_module
from agg2exp.cli.main import JOBS
from agg2exp.cli.segmentation_model import labels_of, untrained_model
from tests.helpers.runs import composed, shrunk

WHOLE_RUNS = {"experiment", "debug", "local"}  # they change several groups; test_experiments runs them
OPTIONS = sorted(
    (str(path.parent.relative_to(conf_dir())), path.stem)
    for path in conf_dir().rglob("*.yaml")
    if path.parent != conf_dir()
    and path.parent.relative_to(conf_dir()).parts[0] not in WHOLE_RUNS
    and path.stem != "base"  # what all options of a group have
)
REQUIRED = {
    "explain": ["data.root=data"],
    "train": ["data.root=data"],
    "report": ["runs=runs"],
    "analyze": ["runs=runs"],
    "collect": ["runs=runs"],
}
INNER = ("model/labels", "model/preprocessing", "model/preprocessing/display", "model/windows", "data/merge")
GPU = torch.cuda.is_available()


def groups(job: str) -> set[str]:
    """Groups that the job's own file names, and those that its models and data choose."""
    defaults = OmegaConf.load(conf_dir() / f"{job}.yaml").defaults
    named = {key for item in defaults if not isinstance(item, str) for key in item}
    return named | {inner for inner in INNER if inner.split("/")[0] in named}


def resolves(node: DictConfig) -> bool:
    try:
        OmegaConf.to_container(node, resolve=True)
    except InterpolationKeyError:
        return False
    return True


CHOICES = [(job, group, option) for job in JOBS for group, option in OPTIONS if group in groups(job)]


def test_every_group_belongs_to_a_job():
    assert {group for group, _ in OPTIONS} <= set().union(*map(groups, JOBS))
    assert {"attribution", "callbacks", "data", "logger", "model", "score"} <= {group for _, group, _ in CHOICES}


@pytest.mark.parametrize(("job", "group", "option"), CHOICES)
def test_option_composes_and_makes_its_objects(job: str, group: str, option: str, tmp_path: Path):
    chosen = [f"{group}={option}", *REQUIRED[job]]
    if "supervoxels: ${supervoxels}" in (conf_dir() / group / f"{option}.yaml").read_text():
        chosen.append("supervoxels=semantic")
    with composed(job, shrunk(job, chosen), tmp_path) as config:
        key = group.replace("/", ".")
        if job != "explain" and not resolves(OmegaConf.select(config, key)):
            pytest.skip("refers to settings of the job explain")
        if group == "model":
            model = untrained_model(config)
            assert next(p for p in reversed(list(model.network.parameters()))).shape[0] == len(model.labels)
        elif group == "model/labels":
            assert labels_of(config).background == "background"
        elif group == "data":
            assert len(data_module(config, untrained_model(config)).reader.annotation.labels) == len(labels_of(config))
        elif group == "trainer" and config.trainer.accelerator == "gpu" and not GPU:
            node = OmegaConf.to_container(config.trainer, resolve=True)
            arguments = {k: v for k, v in node.items() if not k.startswith("_")}
            inspect.signature(get_class(config.trainer._target_)).bind(**arguments)
        else:
            made = build(config, key, **({"logger": False} if group == "trainer" else {}))
            nodes = OmegaConf.select(config, key)
            if "_target_" in nodes:
                assert not isinstance(made, dict)
            else:  # a group of several objects, or of plain values
                targets = {name for name, node in nodes.items() if OmegaConf.is_dict(node) and "_target_" in node}
                assert {name for name, value in made.items() if not isinstance(value, str | list | None)} == targets


@pytest.mark.parametrize("job", JOBS)
def test_configuration_is_complete(job: str, tmp_path: Path):
    with composed(job, REQUIRED[job], tmp_path) as config:
        OmegaConf.set_struct(config, False)
        del config["hydra"]
        assert plain(config)["paths"]["output"] == str(tmp_path)


def test_groups_are_plain_values_where_jobs_share_them(tmp_path: Path):
    with composed("explain", [], tmp_path) as explain:
        expected = {"model": OmegaConf.to_container(explain.model, resolve=True)}
    with composed("train", [], tmp_path) as train:
        assert {k: OmegaConf.to_container(train[k], resolve=True) for k in expected} == expected
