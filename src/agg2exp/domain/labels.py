"""The label scheme of a model: which classes, from which structure files, in which anatomical group."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agg2exp.domain.errors import SettingError, check_choice
from agg2exp.domain.names import leads_outside, problem_of

MOST_CLASSES = 255
BACKGROUND = "background"
PATHOLOGIES, BLACK = "pathologies", "#000000"
COLOUR = re.compile("#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


@dataclass(frozen=True)
class Labels:
    """Names of the classes of a model, in the order of its channels, and whether they exclude each other.

    Attributes:
        classes: Class names (L). With a softmax head the first is background.
        head: "softmax": every voxel belongs to the class of the largest logit; "sigmoid": to every class whose logit
            is above 0 (probability 0.5), so that regions may overlap and one class (L = 1) is enough.
    """

    classes: tuple[str, ...]
    head: str = "softmax"

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(self.classes))
        check_choice("head", self.head, ("softmax", "sigmoid"))
        least = 2 if self.exclusive else 1
        if not least <= len(self.classes) <= MOST_CLASSES:
            allowed = f"{least} to {MOST_CLASSES} names" + (", background first" if self.exclusive else "")
            raise SettingError("labels", list(self.classes), allowed)
        if wrong := problem_of(self.classes):
            raise SettingError("labels", list(self.classes), wrong)
        if len(set(self.classes)) != len(self.classes):
            raise SettingError("labels", list(self.classes), "every class name once")
        if not self.exclusive and BACKGROUND in self.classes:
            raise SettingError("labels", list(self.classes), f"no class {BACKGROUND!r}: it is where no region is")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def exclusive(self) -> bool:
        """Whether every voxel belongs to exactly one class."""
        return self.head == "softmax"

    @property
    def background(self) -> str:
        """Name of the background, which an overlapping head has as a source only: where no region is."""
        return self.classes[0] if self.exclusive else BACKGROUND

    @property
    def structures(self) -> tuple[str, ...]:
        """The classes without background."""
        return self.classes[1:] if self.exclusive else self.classes

    @property
    def sources(self) -> tuple[str, ...]:
        """Regions that every case has, in the order of `ClassMasks.cells`."""
        return self.classes if self.exclusive else (BACKGROUND, *self.classes)

    def indices(self, names: Sequence[str] | str) -> tuple[int, ...]:
        """Indices of class names; the word "all" means every class.

        Raises:
            SettingError: A name is not among them.
        """
        if names == "all":
            return tuple(range(len(self)))
        chosen = [names] if isinstance(names, str) else list(names)
        unknown = [n for n in chosen if n not in self.classes]
        if unknown or not chosen or len(set(chosen)) != len(chosen):
            raise SettingError("classes", chosen, f"'all' or a list without repeats from {list(self.classes)}")
        return tuple(self.classes.index(n) for n in chosen)


@dataclass(frozen=True)
class LabelScheme:
    """Classes 0..L-1 of a model, background first.

    Attributes:
        name: Name of the scheme.
        classes: Class names in label order (L).
        files: For each class the structure files that are merged into it (L); none for background.
        groups: For each class its anatomical group (L).
        colours: Hex colour of each group; the group `pathologies` colours extra masks, black if not given.
    """

    name: str
    classes: tuple[str, ...]
    files: tuple[tuple[str, ...], ...]
    groups: tuple[str, ...]
    colours: Mapping[str, str]

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes):
            raise SettingError("classes", self.classes, "every class name once")
        if len(self.classes) < 2 or self.files[0]:
            raise SettingError("classes", self.classes, "background first (without files), then at least one class")
        if len(self.classes) > MOST_CLASSES:
            raise SettingError("classes", len(self.classes), f"at most {MOST_CLASSES} classes (label maps are 8 bit)")
        object.__setattr__(self, "colours", {**self.colours, PATHOLOGIES: self.colours.get(PATHOLOGIES, BLACK)})
        structures = Counter(structure for files in self.files for structure in files)
        repeated = [structure for structure, n in structures.items() if n > 1]
        if repeated:
            raise SettingError(
                "classes",
                repeated,
                "every structure file once",
                "The later class would take all voxels of the earlier.",
            )
        for name, files, group in zip(self.classes, self.files, self.groups, strict=True):
            if not files and name != self.classes[0]:
                raise SettingError(f"classes.{name}.files", files, "at least one structure file")
            if group not in self.colours:
                raise SettingError(f"classes.{name}.group", group, f"one of {sorted(self.colours)}")
        if wrong := problem_of([self.name]):
            raise SettingError("name", self.name, wrong)
        if wrong := problem_of(self.classes):
            raise SettingError("classes", list(self.classes), wrong)
        for group, colour in self.colours.items():
            if wrong := problem_of([group]):
                raise SettingError("groups", group, wrong)
            if not COLOUR.fullmatch(colour):
                raise SettingError(f"groups.{group}", colour, 'a colour in quotes such as "#CC3311"')

    @classmethod
    def from_config(
        cls, name: object = None, classes: object = None, groups: object = None, **unknown: object
    ) -> LabelScheme:
        """Build from the form of `conf/model/labels/*.yaml`: class name -> {group, files}; group -> colour.

        Raises:
            SettingError: Something is missing, is too much, or is no name, list, mapping or colour. It names the key.
        """
        for key, value in unknown.items():
            raise SettingError(key, value, "nothing of this name beside name, classes and groups")
        specs = {key: _spec(f"classes.{key}", spec) for key, spec in _mapping("classes", classes).items()}
        return cls(
            name=_word("name", name),
            classes=tuple(specs),
            files=tuple(files for _, files in specs.values()),
            groups=tuple(group for group, _ in specs.values()),
            colours={group: _word(f"groups.{group}", colour) for group, colour in _mapping("groups", groups).items()},
        )

    def __len__(self) -> int:
        return len(self.classes)

    def colour(self, region: str) -> str:
        """Hex colour of a class, or of an extra mask (group `pathologies`)."""
        if region in self.classes:
            return self.colours[self.groups[self.classes.index(region)]]
        return self.colours[PATHOLOGIES]

    def joined(self, groups: Mapping[str, Sequence[str]]) -> LabelScheme:
        """The scheme with the classes of each group replaced by one, in place and anatomical group of its first member.

        Args:
            groups: For each new name its classes, which are in the scheme, each in one group at most.
        """
        group_of = {name: group for group, members in groups.items() for name in members}
        files: dict[str, tuple[str, ...]] = {}
        anatomical: dict[str, str] = {}
        for name, structures, group in zip(self.classes, self.files, self.groups, strict=True):
            new = group_of.get(name, name)
            files[new] = files.get(new, ()) + structures
            anatomical.setdefault(new, group)
        return LabelScheme(self.name, tuple(files), tuple(files.values()), tuple(anatomical.values()), self.colours)

    def indices(self, names: Sequence[str] | str) -> tuple[int, ...]:
        """Label indices of class names; the word "all" means every class.

        Raises:
            SettingError: A name is not in the scheme.
        """
        if names == "all":
            return tuple(range(len(self)))
        chosen = [names] if isinstance(names, str) else list(names)
        unknown = [n for n in chosen if n not in self.classes]
        if unknown or not chosen or len(set(chosen)) != len(chosen):
            raise SettingError("classes", chosen, f"'all' or a list without repeats from {list(self.classes)}")
        return tuple(self.classes.index(n) for n in chosen)


def _spec(key: str, spec: object) -> tuple[str, tuple[str, ...]]:
    """Group and structure files of a class."""
    entries = _mapping(key, spec)
    for entry in entries:
        if entry not in ("group", "files"):
            raise SettingError(f"{key}.{entry}", entries[entry], "nothing of this name beside group and files")
    files = entries.get("files")
    if not isinstance(files, Sequence) or isinstance(files, str):
        raise SettingError(f"{key}.files", files, "a list of structure files ([] for background)")
    words = tuple(_word(f"{key}.files", file) for file in files)
    for word in words:
        if leads_outside(word) or problem_of([word]) or words.count(word) > 1:
            raise SettingError(f"{key}.files", word, "names of files in the folder segmentations, each once")
    return _word(f"{key}.group", entries.get("group")), words


def _mapping(key: str, value: object) -> Mapping[str, object]:
    """A mapping from names, at least one."""
    if not isinstance(value, Mapping) or not value:
        raise SettingError(key, value, "a mapping with at least one name")
    for name in value:
        _word(key, name)
    return value


def _word(key: str, value: object) -> str:
    """A name; YAML makes numbers, truth values and null of some words."""
    if not isinstance(value, str) or not value.strip():
        raise SettingError(key, value, "a word; what YAML takes for something else stands in quotes")
    return value
