"""Every preset of the configuration says what it is, composes, and preprocesses a scan."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from agg2exp.cli.application import JobError, build
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.preprocessing.base import Preprocessor
from tests.helpers import cases

FOLDER = conf_dir() / "model" / "preprocessing"
PRESETS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
DISPLAYS = sorted(path.stem for path in (FOLDER / "display").glob("*.yaml"))
NATIVE = cases.scan_grid("LPS", (4, 4, 6))


def preset(name: str, *overrides: str) -> Preprocessor:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose(overrides=[f"+model/preprocessing={name}", *overrides])
    made = instantiate(config.model.preprocessing, _convert_="object")
    assert isinstance(made, Preprocessor)
    return made


def mri(channels: int = 2) -> np.ndarray:
    """Channels of different brightness, 0 around a box."""
    values = np.random.default_rng(0).uniform(50, 150, (channels, *NATIVE.shape)) * np.arange(1, channels + 1).reshape(
        -1, 1, 1, 1
    )
    values[:, :4] = values[:, -4:] = values[:, :, :3] = values[:, :, -3:] = 0
    return values


@pytest.mark.parametrize("path", [*FOLDER.glob("*.yaml"), *FOLDER.glob("display/*.yaml")], ids=lambda path: path.stem)
def test_a_preset_says_what_it_is_in_its_first_line(path: Path):
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_preprocesses_a_scan(name: str):
    said: list[str] = []
    scan = cases.hounsfield(cases.world(NATIVE))[None] if name == "ct" else mri()
    prepared = preset(name).prepare(scan, NATIVE, said.append)
    assert prepared.image.shape == (len(scan), *prepared.grid.shape)
    assert np.isfinite(prepared.image.numpy()).all()
    assert len(prepared.shown) == len(prepared.display) == len(scan)
    assert (prepared.body is None) == (name in ("mr_percentile", "none"))
    assert len([notice for notice in said if "enrichment_body" in notice]) == (prepared.body is None)


@pytest.mark.parametrize("display", DISPLAYS)
def test_a_display_can_be_chosen(display: str):
    prepared = preset("ct", f"model/preprocessing/display={display}").prepare(
        cases.hounsfield(cases.world(NATIVE))[None], NATIVE, print
    )
    ((low, high),) = prepared.shown
    ((black, white),) = prepared.display
    assert low == pytest.approx((black + 1024) / 2048)
    assert high == pytest.approx((white + 1024) / 2048)


def test_no_preset_of_mri_takes_the_whole_volume_for_the_body():
    for name in (preset for preset in PRESETS if preset.startswith("mr")):
        said: list[str] = []
        everywhere = np.random.default_rng(0).uniform(1, 100, (1, *NATIVE.shape))
        assert preset(name).prepare(everywhere, NATIVE, said.append).body is None
        assert any("enrichment_body and expected_by_distance" in notice for notice in said)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("spacing=[1,1]", "model.preprocessing.spacing: expected a list of 3 numbers"),
        ("axes=RAX", "model.preprocessing.axes: expected three letters"),
        ("intensity.low=5000", "model.preprocessing.intensity: expected low < high"),
        ("intensity.high=much", "model.preprocessing.intensity.high: expected a number, got 'much'"),
        ("display.low=dark", "model.preprocessing.display.low: expected a number, got 'dark'"),
        ("pad={_target_:agg2exp.preprocessing.pad.Pad,size:3}", "model.preprocessing.pad.size: expected three whole"),
    ],
)
def test_a_mistake_is_named_by_its_key(override: str, message: str):
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose(overrides=["+model/preprocessing=ct", f"model.preprocessing.{override}"])
    with pytest.raises(JobError, match=f"^agg2exp: {re.escape(message)}"):
        build(config, "model.preprocessing")
