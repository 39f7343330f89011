"""Weights are loaded all or not at all, without pickle, and only into the model they were trained for."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from agg2exp.api.load_model import load_model
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.inference import SlidingWindow
from agg2exp.models.checkpoint import load_weights, save_weights
from agg2exp.models.facts import facts_of
from agg2exp.models.weights_file import WeightsError
from agg2exp.preprocessing.base import Preprocessor
from agg2exp.preprocessing.preprocessing import Preprocessing
from tests.helpers import cases
from tests.helpers.networks import LinearNetwork, ToyNetwork


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.fixture
def trained() -> ToyNetwork:
    return ToyNetwork(seed=1)


@pytest.fixture
def stored(trained: ToyNetwork, tmp_path: Path) -> Path:
    save_weights(trained, tmp_path / "toy.safetensors", cases.facts())
    return tmp_path / "toy.safetensors"


def refused(path: Path | str, network: torch.nn.Module | None = None, facts=None) -> str:
    """The message; and nothing of the file went into the network."""
    network = network or ToyNetwork()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(WeightsError) as error:
        load_weights(network, str(path), facts or cases.facts())
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert str(path) in str(error.value)
    return str(error.value)


def test_weights_come_back_with_a_fingerprint_of_their_values(trained: ToyNetwork, stored: Path, tmp_path: Path):
    network = ToyNetwork(seed=2)
    assert not same(network, trained)
    fingerprint = load_weights(network, str(stored), cases.facts())
    assert same(network, trained)
    again = tmp_path / "again.pt"
    torch.save(trained.state_dict(), again)
    assert load_weights(ToyNetwork(), str(again), cases.facts()) == fingerprint
    with torch.no_grad():
        trained.first.bias[0] += 1e-6
    torch.save(trained.state_dict(), again)
    assert load_weights(ToyNetwork(), str(again), cases.facts()) != fingerprint


@pytest.mark.parametrize("ending", ["pt", "pth", "ckpt"])
@pytest.mark.parametrize("wrapped", [False, True], ids=["state dict", "Lightning"])
def test_files_of_torch_and_lightning_are_read_with_a_warning(
    trained: ToyNetwork, tmp_path: Path, caplog: pytest.LogCaptureFixture, ending: str, wrapped: bool
):
    content = trained.state_dict()
    if wrapped:  # as SegmentationModule keeps it: network, loss, metrics
        state = {**{f"network.{k}": v for k, v in content.items()}, "loss.weight": torch.ones(4)}
        content = {"state_dict": state, "epoch": 3}
    torch.save(content, tmp_path / f"w.{ending}")
    network = ToyNetwork(seed=2)
    load_weights(network, str(tmp_path / f"w.{ending}"), cases.facts())
    assert same(network, trained)
    assert "not checked" in caplog.text


def test_another_architecture_is_told_by_its_keys(stored: Path):
    message = refused(stored, LinearNetwork([1.0, 2.0], [0.0, 0.0]))
    assert "LinearNetwork" in message
    assert "Missing in the file: offsets, slopes" in message
    assert "first.bias" in message
    assert "model" in message


def test_other_shapes_are_told(stored: Path):
    message = refused(stored, ToyNetwork(classes=7))
    assert "last.bias: (4,) in the file, (7,) in the network" in message
    assert "Missing in the file: none" in message


def test_long_lists_of_keys_are_cut(tmp_path: Path):
    save_file({f"layer{i}": torch.zeros(1) for i in range(30)}, tmp_path / "w.safetensors")
    message = refused(tmp_path / "w.safetensors")
    assert "and 25 more" in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"preprocessing": cases.ct((1.5, 1.5, 1.5))}, ("spacing", "[6.0, 6.0, 6.0]", "[1.5, 1.5, 1.5]")),
        ({"preprocessing": cases.ct(low=-200.0)}, ("intensity", "Window(low=-1024.0", "Window(low=-200.0")),
        ({"preprocessing": Preprocessing("LPI", cases.SPACING)}, ("axes", "RAS", "LPI", "configured null")),
        ({"windows": SlidingWindow((96, 96, 96))}, ("window", "[8, 8, 8]", "[96, 96, 96]")),
        ({"labels": Labels(("background", "heart", "lung", "aorta"))}, ("classes", "lung", "heart")),
    ],
)
def test_other_settings_than_in_the_header_are_told(stored: Path, change: dict, words: tuple[str, ...]):
    parts = {"labels": cases.labels(), "preprocessing": cases.ct(), "windows": SlidingWindow(cases.WINDOW)}
    message = refused(stored, facts=facts_of(**parts | change))
    assert all(word in message for word in words)


def test_whole_numbers_in_the_config_are_the_same_spacing(stored: Path):
    load_weights(ToyNetwork(), str(stored), cases.facts(spacing=(6, 6, 6)))


class Trap:
    """What a malicious file holds: unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_a_pickled_object_is_refused_and_not_run(tmp_path: Path, write):
    write({"first.weight": Trap(tmp_path / "owned")}, tmp_path / "w.pt")
    message = refused(tmp_path / "w.pt")
    assert "pickle" in message
    assert "state_dict()" in message
    assert not (tmp_path / "owned").exists()


def test_a_whole_pickled_network_is_refused(trained: ToyNetwork, tmp_path: Path):
    torch.save(trained, tmp_path / "w.pt")
    assert "state_dict()" in refused(tmp_path / "w.pt")


def test_a_state_that_is_no_state_dict_is_refused(tmp_path: Path):
    torch.save([torch.zeros(3)], tmp_path / "list.pt")
    assert "list" in refused(tmp_path / "list.pt")
    torch.save({"epoch": 3}, tmp_path / "dict.pt")
    assert "state dict" in refused(tmp_path / "dict.pt")


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
@pytest.mark.parametrize("keep", [0, 5, 300])
def test_a_damaged_file_is_told(trained: ToyNetwork, tmp_path: Path, ending: str, keep: int):
    path = tmp_path / f"w.{ending}"
    if ending == "pt":
        torch.save(trained.state_dict(), path)
    else:
        save_weights(trained, path, cases.facts())
    path.write_bytes(path.read_bytes()[:keep])
    assert "cannot be read" in refused(path)


@pytest.mark.parametrize("weights", [None, "", "nowhere.safetensors", "shipped:nothing.safetensors"])
def test_missing_weights_are_a_setting(weights: str | None):
    with pytest.raises(SettingError, match=r"model\.weights") as error:
        load_weights(ToyNetwork(), weights, cases.facts())
    if weights:
        assert weights in str(error.value)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path):
    save_weights(cases.spoiled(ToyNetwork()), tmp_path / "w.safetensors", cases.facts())
    assert "last.bias has 4 values that are NaN or infinite" in refused(tmp_path / "w.safetensors")
    state = ToyNetwork().state_dict()
    state["norm.running_var"][2] = torch.inf
    torch.save(state, tmp_path / "w.pt")
    assert "norm.running_var has 1 values that are NaN or infinite" in refused(tmp_path / "w.pt")


def under(prefix: str, state: dict) -> dict:
    return {prefix + name: value for name, value in state.items()}


WRAPPED = {
    "DataParallel": lambda state: under("module.", state),
    "torch.compile": lambda state: under("_orig_mod.", state),
    "compiled in parts": lambda state: {n.replace("first.", "first._orig_mod."): v for n, v in state.items()},
    "Lightning": lambda state: {"state_dict": under("model.", state), "epoch": 3, "callbacks": {}},
    "Lightning, compiled and parallel": lambda state: {"state_dict": under("net._orig_mod.module.", state)},
    "Lightning with a loss": lambda state: {"state_dict": {**under("segmenter.", state), "loss.weight": torch.ones(4)}},
    "a script": lambda state: {
        "epoch": 3,
        "model_state_dict": state,
        "optimizer": {"state": {0: {"m": torch.ones(2)}}},
    },
    "MONAI": lambda state: {"model": state},
    "nnU-Net": lambda state: {
        "network_weights": state,
        "optimizer_state": {"state": {}, "param_groups": [{"lr": 0.1}]},
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)], "ema": np.arange(3.0)},
        "_best_ema": np.float64(0.5),
        "init_args": {"plans": {"spacing": [1.0]}, "fold": 0, "folder": Path("x")},
    },
    "averaged": lambda state: {**under("module.", state), "n_averaged": torch.tensor(5)},
    "without counters": lambda state: {n: v for n, v in state.items() if not n.endswith("num_batches_tracked")},
    "all cast, counters too": lambda state: {n: v.double() for n, v in state.items()},
    "the same twice": lambda state: {"state_dict": {**under("network.", state), **under("ema.", state)}},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_weights_are_found_under_the_names_that_wrappers_give_them(
    name: str, trained: ToyNetwork, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    torch.save(WRAPPED[name](trained.state_dict()), tmp_path / "w.pt")
    network = ToyNetwork(seed=2)
    fingerprint = load_weights(network, str(tmp_path / "w.pt"), cases.facts())
    assert same(network, trained)
    torch.save(trained.state_dict(), tmp_path / "plain.pt")
    assert fingerprint == load_weights(ToyNetwork(), str(tmp_path / "plain.pt"), cases.facts())
    told = "the weights of ToyNetwork are those" in caplog.text
    assert told == (name not in ("torch.compile", "compiled in parts", "without counters", "all cast, counters too"))
    assert ("left out: loss.weight" in caplog.text) == (name == "Lightning with a loss")


@pytest.mark.parametrize(
    "content",
    [
        lambda one, other: {"state_dict": one, "ema_state_dict": other},
        lambda one, other: {"model": one, "ema": {"module": other}},
        lambda one, other: {"state_dict": {**under("student.", one), **under("teacher.", other)}},
    ],
)
def test_two_sets_of_weights_that_fit_are_not_chosen_between(content, tmp_path: Path):
    torch.save(content(ToyNetwork(seed=1).state_dict(), ToyNetwork(seed=2).state_dict()), tmp_path / "w.pt")
    assert "2 different sets of weights that fit ToyNetwork" in refused(tmp_path / "w.pt")


def test_what_does_not_fit_names_the_keys_that_were_there(trained: ToyNetwork, tmp_path: Path):
    state = under("model.", trained.state_dict())
    del state["model.last.bias"]
    torch.save({"state_dict": {**state, "model.extra": torch.ones(1)}}, tmp_path / "w.pt")
    message = refused(tmp_path / "w.pt")
    assert "in 'state_dict', under 'model.': model.first.bias" in message or "model.first.weight" in message
    assert "Missing in the file: last.bias." in message
    assert "Unknown to the network: extra." in message
    torch.save({"state_dict": under("encoder.", LinearNetwork([1.0], [0.0]).state_dict())}, tmp_path / "w.pt")
    message = refused(tmp_path / "w.pt")
    assert "encoder.slopes" in message
    assert "Unknown to the network: none" not in message


@pytest.mark.parametrize(
    "dtype", [torch.int8, torch.uint8, torch.int64, torch.bool, torch.complex64, torch.float8_e5m2], ids=str
)
def test_weights_that_are_no_floating_point_numbers_are_refused(trained: ToyNetwork, tmp_path: Path, dtype):
    state = trained.state_dict()
    state["last.weight"] = torch.ones(state["last.weight"].shape).to(dtype)
    torch.save(under("module.", state), tmp_path / "w.pt")
    message = refused(tmp_path / "w.pt")
    assert "module.last.weight: expected torch.float32 or torch.float16" in message
    assert str(dtype) in message


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_weights_of_another_precision_are_taken_and_said(
    trained: ToyNetwork, tmp_path: Path, dtype, ending: str, caplog: pytest.LogCaptureFixture
):
    state = {n: v.to(dtype) if v.is_floating_point() else v for n, v in trained.state_dict().items()}
    {"pt": torch.save, "safetensors": save_file}[ending](state, tmp_path / f"w.{ending}")
    network = ToyNetwork(seed=2)
    load_weights(network, str(tmp_path / f"w.{ending}"), cases.facts())
    assert torch.equal(network.last.weight, state["last.weight"].float())
    assert str(dtype) in caplog.text


@pytest.mark.parametrize("header", ["1.5 mm", "[1.5,", "", "[" * 5000])
def test_a_header_that_is_no_json_is_told(trained: ToyNetwork, tmp_path: Path, header: str):
    save_file(trained.state_dict(), tmp_path / "w.safetensors", metadata={"spacing": header})
    assert "expected JSON as 'spacing' in its header" in refused(tmp_path / "w.safetensors")


@pytest.mark.parametrize("length", [0, 3, 40, 10**9])
def test_a_half_open_header_is_told(trained: ToyNetwork, tmp_path: Path, length: int):
    path = tmp_path / "w.safetensors"
    save_weights(trained, path, cases.facts())
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    assert "cannot be read as safetensors" in refused(path)


@pytest.mark.parametrize("damage", ["values", "marked as a folder"])
def test_a_damaged_part_of_an_archive_is_told(trained: ToyNetwork, tmp_path: Path, damage: str):
    path = tmp_path / "weights.pt"
    torch.save(trained.state_dict(), path)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        part = next(part for part in archive.infolist() if part.filename.endswith("/data/0"))
        values, entries = archive.read(part), archive.start_dir
    entry = content.index(part.filename.encode(), entries) - 46  # of 46 bytes, the name follows
    at = content.index(values) if damage == "values" else entry + 38  # attributes, from byte 38
    content[at] ^= 0x10
    path.write_bytes(content)
    assert "cannot be read as plain weights (BadZipFile)" in refused(path)


@pytest.mark.parametrize(
    ("hu_range", "problem"),
    [
        ("[-1024, 1024.0]", ""),
        ("[-200.0, 300.0]", 'intensity: trained with "Window(low=-200.0, high=300.0)", configured "Window(low=-1024.0'),
        ('"wide"', 'intensity: trained with "wide", configured'),
        ("[[[", "expected JSON as 'hu_range' in its header"),
    ],
)
def test_the_hu_range_of_earlier_files_is_a_window_of_intensities(
    trained: ToyNetwork, tmp_path: Path, hu_range: str, problem: str
):
    path = tmp_path / "earlier.safetensors"
    header = {"hu_range": hu_range, "spacing": "[6.0, 6.0, 6.0]", "monai": "1.5.1"}
    save_file(trained.state_dict(), path, metadata=header)
    if problem:
        assert problem in refused(path)
    else:
        load_weights(ToyNetwork(), str(path), cases.facts())
        assert "intensity: trained with" in refused(path, facts=cases.facts() | {"intensity": "null"})


@pytest.mark.parametrize("name", ["biased", "unbiased"])
def test_weights_that_are_shipped_with_an_experiment_stay_readable(name: str):
    root = Path(__file__).parents[3]
    model = load_model("unet", weights=root / "experiments" / "planted_bias" / f"{name}.safetensors")
    assert model.provenance["model: window"] == "[64, 64, 64]"


def test_a_preprocessing_of_ones_own_tells_what_it_has(trained: ToyNetwork, stored: Path):
    class Own(Preprocessor):
        spacing = (6.0, 6.0, 6.0)

        def prepare(self, scan, native, notice):
            raise NotImplementedError

        def voxels(self, native):
            raise NotImplementedError

    facts = facts_of(cases.labels(), Own(), SlidingWindow(cases.WINDOW))
    assert "axes" not in facts and "intensity" not in facts
    load_weights(ToyNetwork(), str(stored), facts)
    assert "spacing: trained with" in refused(stored, facts=facts | {"spacing": "[1.0, 1.0, 1.0]"})
