"""What a run was made with, as its config.yaml says."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from agg2exp.cli.run_settings import configuration, files_of, labels_of
from agg2exp.domain.errors import DataError
from agg2exp.domain.labels import Labels
from tests.helpers.stored_runs import CLASSES, stored_run


def test_files_are_those_that_a_case_is_read_from():
    config = {"seed": 3, "data": {"root": "/a", "cache": "/b", "extra_masks": {"m": 1}, "resample": "any"}}
    known = {name: node for name, node in files_of(config).items() if node is not None}
    assert known == {"data.extra_masks": {"m": 1}, "data.resample": "any"}


def test_the_classes_are_those_of_the_model(tmp_path: Path):
    run = stored_run(tmp_path, n=1)
    assert labels_of(run, configuration(run)) == Labels(CLASSES)


@pytest.mark.parametrize(
    ("labels", "head", "problem"),
    [
        (3, None, "model.labels: expected a list of names"),
        ("heart", None, "model.labels: expected a list of names"),
        (["background", 5], None, "model.labels: expected names that are words"),
        (["background", "\x1b[2J"], None, "model.labels: expected a name without control characters"),
        (["background", "heart"], "argmax", "model.head: expected one of 'softmax', 'sigmoid'"),
    ],
)
def test_damaged_labels_name_the_run(tmp_path: Path, labels: object, head: object, problem: str):
    config = {"model": {"labels": labels, "head": head}, "data": {"root": "/data"}}
    with pytest.raises(DataError, match=rf"config\.yaml: {problem}"):
        labels_of(tmp_path, config)


@pytest.mark.parametrize(
    ("environment", "writer"),
    [
        ('{"packages": {"agg2exp": "0.1.0"}}', "agg2exp 0.1.0 wrote"),
        ("{", "agg2exp of an earlier version wrote"),
        ("[]", "agg2exp of an earlier version wrote"),
        (None, "agg2exp of an earlier version wrote"),
    ],
)
def test_a_run_of_an_earlier_version_is_refused_by_its_version(tmp_path: Path, environment: str | None, writer: str):
    if environment is not None:
        (tmp_path / "environment.json").write_text(environment)
    scheme = {"name": "two", "classes": {"background": {"group": "all", "files": []}}, "groups": {"all": "#000000"}}
    with pytest.raises(DataError, match=rf"config\.yaml: .*{writer}.*explain its cases again"):
        labels_of(tmp_path, {"model": {"labels": scheme}, "data": {"root": "/data"}})


@pytest.mark.parametrize("config", [{}, [], {"model": {"labels": {}}}, {"model": None, "data": {"root": "/data"}}])
def test_an_incomplete_configuration_is_refused(tmp_path: Path, config: object):
    OmegaConf.save(OmegaConf.create(config), tmp_path / "config.yaml")
    with pytest.raises(DataError, match=r"expected the configuration of a run of agg2exp explain in .*config\.yaml"):
        configuration(tmp_path)
