"""All that a result depends on, in words that are equal where the result is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

PARTS = {"attribution": "method", "expansion": "method", "mask_policy": "score", "classes": "score", "seed": "score"}
"""Which part of an explanation a setting belongs to, where its name does not begin with that of the part."""
FOUND = ("expansion",)
"""Settings that only the attribution of a case tells."""


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

    def without(self, *parts: str) -> Self:
        """The same but for some parts, see `part_of`."""
        return type(self)({name: value for name, value in self.settings.items() if part_of(name) not in parts})

    def digest(self, without: Collection[str] = ()) -> str:
        """16 hexadecimal digits that differ where a setting does, some parts left out; their order is all the same."""
        content = json.dumps(dict(self.without(*without).settings), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def differences(self, other: Provenance) -> str:
        """What differs in the other one, in words; "" if nothing does but what only a result tells (`FOUND`)."""
        before, now = self.settings, other.settings
        differing = [name for name in {**before, **now} if before.get(name) != now.get(name) and name not in FOUND]
        return "; ".join(f"{name}: then {before.get(name)}, now {now.get(name)}" for name in differing)
