"""What a run was made with, as its config.yaml says."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from agg2exp.cli.run_settings import FILES, SETTINGS, configuration, labels_of, settings_of
from agg2exp.domain.errors import DataError
from tests.helpers.stored_runs import CLASSES, stored_run


def test_settings_are_what_importances_depend_on():
    config = {
        "seed": 3,
        "mask_policy": "fixed",
        "inference": {"overlap": 0.25, "batch": 2},
        "module": {"_target_": "own.Module", "seed": 3, "cache": "/cache", "own": 1},
        "data": {"root": "/a", "preprocessing": {"spacing": [1, 1, 1]}, "layout": {"cache": "/b", "label_map": 1}},
    }
    settings = settings_of(config, SETTINGS + FILES)
    assert {name: node for name, node in settings.items() if node is not None} == {
        "mask_policy": "fixed",
        "inference": {"overlap": 0.25},
        "module": {"_target_": "own.Module", "own": 1},
        "data.preprocessing": {"spacing": [1, 1, 1]},
        "data.layout": {"label_map": 1},
    }
    assert set(settings_of(config)) == set(SETTINGS)


def test_the_label_scheme_is_that_of_the_model(tmp_path: Path):
    run = stored_run(tmp_path, n=1)
    assert labels_of(run, configuration(run)).classes == tuple(CLASSES)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"name": "x", "groups": {}}, "no 'classes'"),
        (
            {"name": "x", "groups": {"other": "#000000"}, "classes": {}},
            "classes: expected a mapping with at least one name",
        ),
        ({"name": "x", "groups": {}, "classes": ["heart"]}, r"\['heart'\] where entries by name belong"),
        (["heart"], r"\['heart'\] where entries by name belong"),
        ({"name": 3, "groups": {}, "classes": {}}, "3 as a name"),
        ({"name": "x", "groups": {"other": 5}, "classes": {}}, "5 as a name"),
        ({"name": "x", "groups": {}, "classes": {"heart": {"group": "other", "files": "heart"}}}, "'heart' as files"),
        ({"name": "x", "groups": {}, "classes": {"heart": {"group": "other"}}}, "no 'files'"),
    ],
)
def test_a_damaged_label_scheme_names_the_run(tmp_path: Path, labels: object, problem: str):
    config = {"model": {"labels": labels}, "data": {"root": "/data"}}
    with pytest.raises(DataError, match=rf"config\.yaml: model\.labels: expected a label scheme, got {problem}"):
        labels_of(tmp_path, config)


@pytest.mark.parametrize("config", [{}, [], {"model": {"labels": {}}}, {"model": None, "data": {"root": "/data"}}])
def test_an_incomplete_configuration_is_refused(tmp_path: Path, config: object):
    OmegaConf.save(OmegaConf.create(config), tmp_path / "config.yaml")
    with pytest.raises(DataError, match=r"expected the configuration of a run of agg2exp explain in .*config\.yaml"):
        configuration(tmp_path)
