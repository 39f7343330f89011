"""The weights of a network under the names that wrappers gave them.

`DataParallel` puts `module.` before each name, `torch.compile` `_orig_mod.`, a module of Lightning the name of its
attribute, and each may wrap the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

COMPILED = "_orig_mod."
COUNTER = "num_batches_tracked"
"""Of batch normalisation; old files lack it, and evaluation does not use it."""


@dataclass(frozen=True)
class Fit:
    """Weights of a file under a prefix, compared with a network.

    Attributes:
        place: Where in the file.
        prefix: What stands before the network's names.
        state: The network's names -> tensors.
        missing: Names that the file lacks.
        unknown: Names under the prefix that the network lacks.
        shapes: Names whose shapes differ, with both.
        beside: Names in the same place that do not begin with the prefix.
    """

    place: str
    prefix: str
    state: Mapping[str, Tensor]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    shapes: tuple[str, ...]
    beside: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether it is the network's weights."""
        return not (self.missing or self.unknown or self.shapes)

    def same(self, other: Fit) -> bool:
        """Whether the values are equal too."""
        return self.state.keys() == other.state.keys() and all(
            torch.equal(value, other.state[name]) for name, value in self.state.items()
        )

    def __str__(self) -> str:
        where = f"in {self.place!r}" if self.place else "at the top of the file"
        return f"{where}, under {self.prefix!r}" if self.prefix else where


def fits(places: Mapping[str, Mapping[str, Tensor]], own: Mapping[str, Tensor]) -> list[Fit]:
    """Each way to take a network's weights from a file, the best first.

    Args:
        places: Names -> tensors by their place in the file.
        own: Those of the network.
    """
    ways = [_fit(place, prefix, state, own) for place, state in places.items() for prefix in _prefixes(state, own)]
    return sorted(ways, key=lambda fit: (not fit.whole, len(fit.missing) + len(fit.unknown) + len(fit.shapes)))


def _fit(place: str, prefix: str, state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Fit:
    names = {_plain(name, own): name for name in state}
    found = {name.removeprefix(prefix): state[full] for name, full in names.items() if name.startswith(prefix)}
    return Fit(
        place,
        prefix,
        found,
        tuple(sorted(k for k in own.keys() - found.keys() if not k.endswith(COUNTER))),
        tuple(sorted(found.keys() - own.keys())),
        tuple(
            f"{k}: {tuple(found[k].shape)} in the file, {tuple(own[k].shape)} in the network"
            for k in sorted(own.keys() & found.keys())
            if found[k].shape != own[k].shape
        ),
        tuple(sorted(name for name in names if not name.startswith(prefix))),
    )


def _prefixes(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Iterator[str]:
    """Whatever stands before the name of a parameter of the network, and nothing, in the order of the file."""
    found = {"": None}
    for name in (_plain(name, own) for name in state):
        for key in own:
            if name.endswith(f".{key}"):
                found[name.removesuffix(key)] = None
    yield from found


def _plain(name: str, own: Mapping[str, Tensor]) -> str:
    """A name without the marks of compiled parts, unless the network has them itself."""
    return name if any(COMPILED in key for key in own) else name.replace(COMPILED, "")
