"""Groups and colours of regions in pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.domain.names import problem_of
from agg2exp.figures.palette import distinct

PATHOLOGIES, BLACK, GREY = "pathologies", "#000000", "#999999"
COLOUR = re.compile("#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


@dataclass(frozen=True)
class Group:
    """Regions that a picture shows in one colour.

    Attributes:
        colour: "#rgb" or "#rrggbb".
        classes: Names of the regions; a model need not have all of them.
    """

    colour: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Anatomy:
    """Which regions belong together in pictures, and in which colour.

    A class in no group is a group of its own, with a colour of its own (background: grey). Every other region, such as
    an extra mask, is of the group `pathologies`, which is black if it is not given.

    Args:
        groups: name -> Group, or the mapping {colour: "#rrggbb", classes: [names]} of `conf/anatomy/*.yaml`, in the
            order of legends.
        classes: Regions that every case of a model has, background first; see `of`.
        members: Classes behind the name of each region that was joined; see `joined`.

    Raises:
        SettingError: A group is no such mapping, its colour is none, or a region is in two groups. It names the key.
    """

    groups: Mapping[str, Group] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = _mapping("groups", self.groups)
        object.__setattr__(self, "groups", {name: _group(f"groups.{name}", of) for name, of in given.items()})
        if wrong := problem_of(self.groups):
            raise SettingError("groups", list(self.groups), wrong)
        regions = [region for group in self.groups.values() for region in group.classes]
        if twice := sorted({region for region in regions if regions.count(region) > 1}):
            raise SettingError("groups", twice, "every region in one group")

    def of(self, labels: Labels) -> Anatomy:
        """The same for the classes of a model."""
        return replace(self, classes=labels.sources)

    def joined(self, join: Mapping[str, Sequence[str]]) -> Anatomy:
        """With the classes of each entry of `join` replaced by one, in the place and group of its first member.

        Args:
            join: For each new name its classes, each in one entry at most.
        """
        new_name = {name: new for new, members in join.items() for name in members}
        members: dict[str, tuple[str, ...]] = {}
        for name in self.classes:
            new = new_name.get(name, name)
            members[new] = members.get(new, ()) + self.parts(name)
        return replace(self, classes=tuple(members), members=members)

    def parts(self, region: str) -> tuple[str, ...]:
        """The classes that a region is made of: itself, or those that were joined; none for an extra mask."""
        return self.members.get(region, (region,)) if region in self.classes else ()

    def group(self, region: str) -> str:
        """Name of the group of a region; a class in no group is one of its own."""
        first = next(iter(self.parts(region)), region)
        for name, group in self.groups.items():
            if first in group.classes:
                return name
        return region if region in self.classes else PATHOLOGIES

    def colour(self, region: str) -> str:
        """Hex colour of a region."""
        return self.colours[self.group(region)]

    @cached_property
    def colours(self) -> dict[str, str]:
        """Hex colour of each group, in the order of legends: those given, classes in no group, `pathologies`."""
        given = {name: group.colour for name, group in self.groups.items()}
        alone = [name for name in self.classes[1:] if self.group(name) not in given]
        background = {name: GREY for name in self.classes[:1] if self.group(name) not in given}
        of_classes = dict(zip(alone, distinct(len(alone), [*given.values(), GREY]), strict=True))
        return {**given, **background, **of_classes, PATHOLOGIES: given.get(PATHOLOGIES, BLACK)}


def _group(key: str, spec: object) -> Group:
    """A group as it is given.

    Raises:
        SettingError: Something is missing, is too much, or is no colour or list of names.
    """
    if isinstance(spec, Group):
        spec = {"colour": spec.colour, "classes": list(spec.classes)}
    entries = _mapping(key, spec)
    for entry in entries:
        if entry not in ("colour", "classes"):
            raise SettingError(f"{key}.{entry}", entries[entry], "nothing of this name beside colour and classes")
    colour, classes = entries.get("colour"), entries.get("classes", ())
    if not isinstance(colour, str) or not COLOUR.fullmatch(colour):
        raise SettingError(f"{key}.colour", colour, 'a colour in quotes such as "#CC3311"')
    if isinstance(classes, str) or not isinstance(classes, Sequence):
        raise SettingError(f"{key}.classes", classes, "a list of names of regions")
    if wrong := problem_of(classes):
        raise SettingError(f"{key}.classes", list(classes), wrong)
    return Group(colour, tuple(classes))


def _mapping(key: str, value: object) -> Mapping[str, object]:
    """Entries by name; YAML makes numbers, truth values and null of some words."""
    if not isinstance(value, Mapping):
        raise SettingError(key, value, "entries by name")
    for name in value:
        if not isinstance(name, str) or not name.strip():
            raise SettingError(key, name, "a word; what YAML takes for something else stands in quotes")
    return value
