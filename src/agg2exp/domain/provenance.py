"""All that a result depends on, in words that are equal where the result is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from agg2exp.domain.code import LIBRARIES

CASE_FILES = "files of the case"
"""The one setting in which the cases of a run differ: the fingerprint of what was read."""
PARTS = {
    **dict.fromkeys(("attribution", "expansion"), "method"),
    "mask_policy": "score",
    **dict.fromkeys(("network", "network code", "weights", "labels", "head"), "model"),
    **dict.fromkeys(("agg2exp", *LIBRARIES), "versions"),
}
"""Which part a setting belongs to, where its name does not begin with that of the part."""
FOUND = ("expansion",)
"""Settings that only the attribution of a case tells."""
NO_CHOICE = ("versions", "metrics", "classes", "seed", "twins", "compiled", CASE_FILES)
"""Parts in which importances may differ and still be those of one way to explain."""


def part_of(setting: str) -> str:
    """The part that a setting belongs to: "method", "metrics", "score", …; "x: y" and "x" belong to x."""
    first = setting.partition(": ")[0]
    return "metrics" if first.startswith("metric ") else PARTS.get(first, first)


@dataclass(frozen=True)
class Provenance:
    """What a result depends on.

    Attributes:
        settings: Name -> value, the dictionary that the files of cases hold.
    """

    settings: Mapping[str, str]

    def only(self, *parts: str) -> Self:
        """Some parts of it, see `part_of`."""
        return type(self)({name: value for name, value in self.settings.items() if part_of(name) in parts})

    def without(self, *parts: str) -> Self:
        """The same but for some parts."""
        return type(self)({name: value for name, value in self.settings.items() if part_of(name) not in parts})

    @property
    def of_importances(self) -> Self:
        """What tells two ways to explain apart: not versions, classes and cases, nor how many windows go at a time."""
        chosen = self.without(*NO_CHOICE).settings
        return type(self)({name: value for name, value in chosen.items() if name != "windows: batch"})

    def digest(self) -> str:
        """SHA-256 in hexadecimal digits, another one where a setting differs; their order is all the same."""
        return hashlib.sha256(str(self).encode()).hexdigest()

    def differing(self, other: Provenance) -> list[str]:
        """Names of the settings that differ in the other one, but for what only a result tells (`FOUND`)."""
        names = {**self.settings, **other.settings}
        return [n for n in names if self.settings.get(n) != other.settings.get(n) and n not in FOUND]

    def differing_parts(self, other: Provenance) -> list[str]:
        """The parts that these settings belong to, each once."""
        return list(dict.fromkeys(map(part_of, self.differing(other))))

    def differences(self, other: Provenance) -> str:
        """What differs in the other one, in words; "" if nothing does."""
        before, now = self.settings, other.settings
        return "; ".join(f"{name}: then {before.get(name)}, now {now.get(name)}" for name in self.differing(other))

    def __str__(self) -> str:
        return json.dumps(dict(self.settings), sort_keys=True)
