"""Weights in and out: strict, without pickle, with the facts a result depends on."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from agg2exp.domain.errors import SettingError
from agg2exp.models.facts import differing_facts
from agg2exp.models.key_names import COUNTER, Fit, fits
from agg2exp.models.weights_file import WeightsError, WeightsFile, read_weights
from agg2exp.store.atomic import atomic_write

log = logging.getLogger(__name__)

SHIPPED = "shipped:"
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_SHOWN = 5


def load_weights(network: nn.Module, weights: str | None, facts: Mapping[str, str]) -> str:
    """Load weights into a network, all keys or none.

    Args:
        network: The network.
        weights: A `.safetensors` file; a `.ckpt`, `.pt` or `.pth` file (a state dict, or a checkpoint that holds one
            under whatever key, with or without a common prefix of the names, see `key_names`); or `shipped:<name>` for
            a file inside the package.
        facts: What the model says it was trained on, see `facts_of`.

    Returns:
        Fingerprint of the weights (sha256 of names and values, 16 hexadecimal digits), whatever file holds them.

    Raises:
        SettingError: `weights` is not given, or there is no such file.
        WeightsError: The file cannot be read without pickle, belongs to another architecture, holds two sets of weights
            that fit, values that are no finite floating-point numbers, or was trained on other classes, spacing,
            windows or intensities.
    """
    if not weights:
        raise SettingError(
            "model.weights",
            weights,
            "a weights file",
            "An untrained network explains nothing: train one first.",
        )
    file = read_weights(weights_path(weights))
    _check_header(file, facts)
    fit = _chosen(file, network)
    state = _checked(file.path, fit, network.state_dict())
    if not file.header:
        log.warning(
            "%s does not record the MONAI version, classes and spacing it was trained with; not checked", file.path
        )
    if fit.place or fit.prefix:
        beside = f"; left out: {_some(fit.beside)}" if fit.beside else ""
        log.info("%s: the weights of %s are those %s%s", file.path, type(network).__name__, fit, beside)
    network.load_state_dict(state)
    return fingerprint(network.state_dict())


def _chosen(file: WeightsFile, network: nn.Module) -> Fit:
    """The one set of weights in a file that is the network's."""
    ways = fits(file.places, network.state_dict())
    whole, name = [way for way in ways if way.whole], type(network).__name__
    if not whole:
        best = ways[0]
        keys = _some([best.prefix + key for key in best.state] or list(best.beside))
        raise WeightsError(
            f"{file.path} does not fit {name}, it comes from another architecture or configuration. It holds, {best}: "
            f"{keys}. Missing in the file: {_some(best.missing)}. Unknown to the network: {_some(best.unknown)}. "
            f"Other shapes: {_some(best.shapes)}. Set model=… (or model.network.…) to what the weights were trained "
            "with."
        )
    others = [way for way in whole[1:] if not way.same(whole[0])]
    if others:
        listed = "; ".join(map(str, [whole[0], *others]))
        raise WeightsError(
            f"{file.path} holds {1 + len(others)} different sets of weights that fit {name} ({listed}), such as an "
            "average beside the weights that were trained. Expected one: save the state dict that is meant by itself."
        )
    return whole[0]


def _checked(path: Path, fit: Fit, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights in the network's own types; what the file lacks (counters) stays as the network has it."""
    state = dict(own)
    for name, value in fit.state.items():
        where = f"{path}: {fit.prefix}{name}"
        if name.endswith(COUNTER) and value.dtype != own[name].dtype:  # cast along with the weights, and not used
            continue
        allowed = FLOATS if own[name].is_floating_point() else (own[name].dtype,)
        if value.layout is not torch.strided or value.dtype not in allowed:
            raise WeightsError(
                f"{where}: expected {' or '.join(map(str, allowed))}, got {value.dtype} ({value.layout}). Weights that "
                "were quantised or packed mean nothing without what unpacks them; save those that were trained."
            )
        bad = int(value.numel() - value.isfinite().sum())
        if bad:
            raise WeightsError(f"{where} has {bad} values that are NaN or infinite. The training diverged, or the file "
                               "is damaged.")  # fmt: skip
        state[name] = value.to(own[name].dtype)
        if not state[name].isfinite().all():
            raise WeightsError(f"{where} has values beyond the range of {own[name].dtype}, in which the network runs.")
    others = sorted({str(v.dtype) for k, v in fit.state.items() if v.dtype != own[k].dtype and not k.endswith(COUNTER)})
    if others:
        log.warning("%s holds weights in %s; the network runs in float32, see model.windows.precision", path, others)
    return state


def save_weights(network: nn.Module, path: Path, facts: Mapping[str, str]) -> None:
    """Write weights with the model's facts and the version of MONAI in the header."""
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    header = {**facts, "monai": version("monai"), "network": type(network).__name__}
    with atomic_write(path) as temporary:
        save_file(state, temporary, metadata=header)


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """sha256 of names and values, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def trained_on(weights: str | None) -> str:
    """What weights were trained on, as far as it is known: all shipped ones on phantoms."""
    return "phantoms" if weights is not None and weights.startswith(SHIPPED) else ""


def weights_path(weights: str) -> Path:
    """The file behind `model.weights`."""
    if weights.startswith(SHIPPED):
        folder = Path(str(resources.files("agg2exp"))) / "weights"
        path, choices = (
            folder / weights.removeprefix(SHIPPED),
            sorted(p.name for p in folder.glob("*.safetensors")),
        )
        hint = f"Shipped are {choices}."
    else:
        path, hint = Path(weights).expanduser(), "Relative paths start at the folder the command is run in."
    if not path.is_file():
        raise SettingError("model.weights", weights, "an existing file", hint)
    return path


def _check_header(file: WeightsFile, facts: Mapping[str, str]) -> None:
    try:
        differing = differing_facts(file.header, facts)
    except ValueError as error:
        remedy = "Save the weights again, without that entry or as agg2exp train does."
        raise WeightsError(f"{file.path}: {error}. {remedy}") from error
    if differing:
        raise WeightsError(f"{file.path} was trained with other settings than model=… says. " + "; ".join(differing))


def _some(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_SHOWN]) or "none"
    return shown + (f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")
