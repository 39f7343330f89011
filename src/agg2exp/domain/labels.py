"""The label scheme of a model: which classes, from which structure files, in which anatomical group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agg2exp.domain.errors import SettingError

MOST_CLASSES = 255


@dataclass(frozen=True)
class LabelScheme:
    """Classes 0..L-1 of a model, background first.

    Attributes:
        name: Name of the scheme.
        classes: Class names in label order (L).
        files: For each class the structure files that are merged into it (L); none for background.
        groups: For each class its anatomical group (L).
        colours: Hex colour of each group; the group `pathologies` colours extra masks.
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
        if "pathologies" not in self.colours:
            raise SettingError("groups", sorted(self.colours), "a colour for the group 'pathologies' (extra masks)")
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

    @classmethod
    def from_config(cls, name: str, classes: Mapping[str, Mapping[str, Any]], groups: Mapping[str, str]) -> LabelScheme:
        """Build from the form of `conf/model/labels/*.yaml`: class name -> {group, files}."""
        return cls(
            name=name,
            classes=tuple(classes),
            files=tuple(tuple(spec["files"]) for spec in classes.values()),
            groups=tuple(str(spec["group"]) for spec in classes.values()),
            colours=dict(groups),
        )

    def __len__(self) -> int:
        return len(self.classes)

    def colour(self, region: str) -> str:
        """Hex colour of a class, or of an extra mask (group `pathologies`)."""
        if region in self.classes:
            return self.colours[self.groups[self.classes.index(region)]]
        return self.colours["pathologies"]

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
