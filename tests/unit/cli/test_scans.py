"""Scans of cases that a run explained; its configuration is a file like any other and may name anything."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from agg2exp.cli.data_sets import read_data_sets
from agg2exp.cli.scans import read_scan
from agg2exp.domain.errors import DataError
from tests.helpers.stored_runs import stored_run


@pytest.mark.parametrize(
    "foreign", ["pathlib.Path.touch", "agg2exp.io.atomic.Path.touch", "agg2exp.gone.Reader", "agg2exp.io.atomic"]
)
@pytest.mark.parametrize("nested", [lambda x: x, lambda x: {"a": x}, lambda x: [x], lambda x: [{"a": [[x]]}]])
def test_only_classes_of_agg2exp_are_made_from_the_configuration_of_a_run(tmp_path: Path, foreign: str, nested):
    run = stored_run(tmp_path / "run", n=1)
    for name in ("cases/c00000.safetensors", "volumes/c00000/prediction.nii.gz"):
        (run / name).parent.mkdir(parents=True)
        (run / name).touch()
    config = OmegaConf.load(run / "config.yaml")
    call = {"_target_": foreign, "_args_": [str(tmp_path / "touched")]}
    config.data = {"_target_": "agg2exp.data.datamodule.CaseDataModule", "root": "/data", "split": nested(call)}
    OmegaConf.save(config, run / "config.yaml")
    (data,) = read_data_sets(str(run), labels=None)
    with pytest.raises(DataError, match=f"its scan is read by {foreign}, which is not part of agg2exp"):
        read_scan(data, "c00000", "heart")
    assert not (tmp_path / "touched").exists()
