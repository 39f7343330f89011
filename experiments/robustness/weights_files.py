"""Weights with damaged bytes, as safetensors and as PyTorch saves them: what the file says, or refused."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
import torch
from mutations import cut, flipped, inserted, overwritten
from torch import Tensor, nn

from agg2exp.domain.errors import DataError
from agg2exp.models.checkpoint import load_weights
from agg2exp.models.weights_file import WeightsError

FACTS = {"classes": '["background", "heart"]', "spacing": "[1.0, 1.0, 1.0]", "window": "[8, 8, 8]"}


class Mutant(NamedTuple):
    """A file of weights."""

    suffix: str
    content: bytes


def network() -> nn.Module:
    """A network with the same weights each time."""
    made = nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2))
    generator = torch.Generator().manual_seed(0)
    for parameter in made.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return made


def mutant(random: np.random.Generator) -> Mutant:
    """The file with bytes changed, gone or added; one in ten as it was."""
    state = network().state_dict()
    if random.random() < 0.5:
        suffix, content = ".safetensors", safetensors.numpy.save({n: v.numpy() for n, v in state.items()})
    else:
        file = io.BytesIO()
        torch.save(state, file)
        suffix, content = ".pt", file.getvalue()
    if random.random() < 0.1:
        return Mutant(suffix, content)
    return Mutant(suffix, (flipped, cut, overwritten, inserted)[random.integers(4)](content, random))


def read(file: Mutant, folder: Path) -> dict[str, Tensor]:
    """The weights as they are in the network afterwards."""
    path = folder / f"weights{file.suffix}"
    path.write_bytes(file.content)
    made = network()
    for parameter in made.parameters():
        parameter.data.zero_()
    logging.disable(logging.WARNING)
    try:
        load_weights(made, str(path), FACTS)
    except WeightsError as error:
        raise DataError(str(error)) from error
    finally:
        logging.disable(logging.NOTSET)
    return made.state_dict()


def is_right(file: Mutant, state: dict[str, Tensor]) -> bool:
    """Whether they are what PyTorch or safetensors alone reads from the file, all finite."""
    if file.suffix == ".pt":
        said = torch.load(io.BytesIO(file.content), weights_only=True)
    else:
        said = {name: torch.from_numpy(v.copy()) for name, v in safetensors.numpy.load(file.content).items()}
    counted = {name for name in state if name.endswith("num_batches_tracked")}  # may be missing
    return state.keys() - counted <= said.keys() and all(
        bool(value.isfinite().all()) and torch.equal(value, said[name].to(value.dtype))
        for name, value in state.items()
        if name in said
    )
