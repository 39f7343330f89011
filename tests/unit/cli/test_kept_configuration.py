"""What a run keeps of its configuration means the same from anywhere."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from agg2exp.cli.kept_configuration import kept


def test_relative_paths_become_absolute_and_words_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    config = OmegaConf.create(
        {
            "paths": {"cache": "cache", "runs": "/runs"},
            "data": {
                "root": "../scans",
                "cache": "${paths.cache}",
                "extra_masks": {"n": "{case}/n.nii.gz"},
            },
            "model": {"weights": "~/best.ckpt", "name": "unet"},
        }
    )
    assert OmegaConf.to_container(kept(config)) == {
        "paths": {"cache": str(tmp_path / "cache"), "runs": "/runs"},
        "data": {
            "root": str(tmp_path / "../scans"),
            "cache": str(tmp_path / "cache"),
            "extra_masks": {"n": "{case}/n.nii.gz"},
        },
        "model": {"weights": "/home/somebody/best.ckpt", "name": "unet"},
    }
    assert config.data.root == "../scans"


@pytest.mark.parametrize("weights", ["shipped:unet_phantom.safetensors", None])
def test_what_is_no_path_stays(weights: str | None):
    config = OmegaConf.create({"model": {"weights": weights}, "seed": 3})
    assert kept(config) == config
