"""A model from Python is the one of the command line, or what is wrong with it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import agg2exp
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.named import names_of
from agg2exp.cli.segmentation_model import trained_model
from agg2exp.domain.description import text
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.inference import SlidingWindow
from agg2exp.models.checkpoint import save_weights
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.models.weights_file import WeightsError
from tests.helpers import cases
from tests.helpers.networks import ToyNetwork

PARTS = {"network": ToyNetwork(), "labels": list(cases.CLASSES), "preprocessing": cases.ct(), "windows": (8, 8, 8)}


def described(model: SegmentationModel) -> dict[str, object]:
    """All that tells a model from others."""
    parts = {name: text(getattr(model, name)) for name in ("network", "labels", "preprocessing", "windows")}
    return {**parts, "name": model.name, "known": model.head_is_known, **model.provenance}


def of_the_command_line(*overrides: str) -> SegmentationModel:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return trained_model(compose("explain", list(overrides)))


def test_a_shipped_model_is_that_of_the_command_line_by_name_and_by_path():
    expected = described(of_the_command_line("model=unet"))
    assert described(agg2exp.load_model("unet")) == expected
    assert described(agg2exp.load_model(conf_dir() / "model" / "unet.yaml")) == expected
    assert expected["weights"] and expected["model: spacing"] == "[5.5, 5.5, 5.5]"


def test_a_file_of_one_s_own_is_that_of_the_command_line(tmp_path: Path):
    folder = cases.write_toy_model(tmp_path / 'my "models", [2]\\' / "conf")
    alone = tmp_path / "abdomen.yaml"
    alone.write_text((folder / "model" / "toy.yaml").read_text())
    found = described(agg2exp.load_model(str(alone)))
    assert found == described(agg2exp.load_model(folder / "model" / "toy.yaml"))
    plain = cases.write_toy_model(tmp_path / "conf")
    expected = described(of_the_command_line(f"hydra.searchpath=[file://{plain}]", "model=toy"))
    assert found == expected


def test_groups_beside_a_file_in_a_folder_model_are_found(tmp_path: Path):
    folder = cases.write_toy_model(tmp_path / "conf") / "model"
    (folder / "labels").mkdir()
    names = ["background", "lung", "heart", "aorta"]
    (folder / "labels" / "mine.yaml").write_text(f"# @package model\nlabels: {names}\n")
    toy = (folder / "toy.yaml").read_text().replace("defaults:\n", "defaults:\n  - labels: mine\n")
    (folder / "toy.yaml").write_text("\n".join(line for line in toy.splitlines() if not line.startswith("labels:")))
    assert agg2exp.load_model(folder / "toy.yaml").labels.classes == tuple(names)


@pytest.mark.parametrize("name", names_of("model/preprocessing"))
def test_a_preprocessing_is_known_by_its_name(name: str):
    model = agg2exp.load_model(**PARTS | {"preprocessing": name})
    folder = str(conf_dir())
    with initialize_config_dir(folder, version_base="1.3"):
        from agg2exp.cli.application import build

        expected = build(compose("explain", [f"+model/preprocessing@p={name}"]), "p")
    assert text(model.preprocessing) == text(expected)


def test_parts_are_the_model():
    model = agg2exp.load_model(**PARTS)
    assert model.labels == Labels(tuple(cases.CLASSES)) and model.windows == SlidingWindow((8, 8, 8))
    assert model.network is PARTS["network"] and model.preprocessing is PARTS["preprocessing"]
    assert not model.head_is_known and model.head == "softmax"
    own = {"windows": SlidingWindow((4, 4, 4), 0.5), "labels": ["tumour"], "head": "sigmoid", "preprocessing": "none"}
    model = agg2exp.load_model(**PARTS | own)
    assert model.windows.overlap == 0.5 and model.head == "sigmoid" and model.head_is_known
    assert agg2exp.load_model(**PARTS | {"labels": Labels(("a", "b"), "sigmoid")}).head == "sigmoid"


def test_weights_may_be_others_than_those_that_a_yaml_names(tmp_path: Path):
    folder, other = cases.write_toy_model(tmp_path / "conf"), ToyNetwork(seed=9)
    save_weights(other, tmp_path / "other.safetensors", cases.facts())
    for model in (
        agg2exp.load_model(folder / "model" / "toy.yaml", weights=tmp_path / "other.safetensors"),
        agg2exp.load_model(**PARTS | {"network": ToyNetwork()}, weights=str(tmp_path / "other.safetensors")),
    ):
        pairs = zip(model.network.state_dict().values(), other.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        assert len(model.provenance["weights"]) == 16
    save_weights(other, tmp_path / "elsewhere.safetensors", cases.facts(spacing=(1, 1, 1)))
    with pytest.raises(WeightsError, match="spacing: trained with"):
        agg2exp.load_model(folder / "model" / "toy.yaml", weights=tmp_path / "elsewhere.safetensors")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, r"source: expected the path or name of a model's YAML, or .* missing are \['network', 'labels'"),
        ({"network": ToyNetwork()}, r"missing are \['labels', 'preprocessing', 'windows'\]"),
        ({"source": "unet", "windows": (8, 8, 8)}, r"expected a source alone, .* beside it came \['windows'\]"),
        ({"source": "une"}, "source: expected one of 'swin_unetr_v2', 'unet', got 'une'"),
        ({"source": "missing.yaml"}, r"source: expected the path of a YAML, or one of .*, got 'missing\.yaml'"),
        ({"source": "swin_unetr_v2"}, r"the YAML of a model.*model\.weights: expected a weights file, got None"),
        (PARTS | {"network": "unet"}, r"network: expected a torch\..*Module, got 'str'"),
        (PARTS | {"labels": "heart"}, "labels: expected a list of names"),
        (PARTS | {"labels": ["background", "a", "a"]}, "labels: expected every class name once"),
        (PARTS | {"preprocessing": "ctt"}, "model/preprocessing: expected one of 'ct', 'mr_percentile'"),
        (PARTS | {"preprocessing": print}, r"preprocessing: expected a agg2exp\.preprocessing\.base\.Preprocessor"),
        (PARTS | {"windows": (8, 8)}, r"size: expected three whole numbers \[D, H, W\], got \(8, 8\)"),
        (PARTS | {"windows": 96}, r"size: expected three whole numbers \[D, H, W\], got 96"),
        (PARTS | {"head": "argmax"}, "head: expected one of 'softmax', 'sigmoid', got 'argmax'"),
        (PARTS | {"labels": Labels(("a", "b")), "head": "sigmoid"}, "head: expected that of the labels, 'softmax'"),
        (PARTS | {"weights": "missing.pt"}, "expected an existing file, got 'missing.pt'"),
    ],
)
def test_what_is_wrong_is_told(given: dict, problem: str):
    with pytest.raises(SettingError, match=problem):
        agg2exp.load_model(**given)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("network: {_target_: tests.helpers.networks.ToyNetwork}\n", "got no labels, preprocessing, windows"),
        ("- a\n- b\n", "the YAML of a model"),
        ("name: [\n", "the YAML of a model"),
        ("defaults: [labels: nowhere]\n", "nowhere"),
        ("labels: ${nowhere}\n", "the YAML of a model"),
    ],
)
def test_a_file_that_describes_no_model_is_told(tmp_path: Path, content: str, problem: str):
    (tmp_path / "m.yaml").write_text(content)
    with pytest.raises(SettingError, match=problem) as error:
        agg2exp.load_model(tmp_path / "m.yaml")
    assert str(tmp_path / "m.yaml") in str(error.value)


def test_a_hydra_that_is_under_way_goes_on():
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        agg2exp.load_model("unet")
        assert compose("explain", ["model=unet"]).model.name == "unet"
    agg2exp.load_model("unet")
    assert not GlobalHydra.instance().is_initialized()


def test_the_door_is_lazy_and_names_nothing_else():
    code = (
        "import sys, agg2exp; assert 'torch' not in sys.modules; agg2exp.load_model; assert 'hydra' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        agg2exp.nothing  # noqa: B018
