"""Names of the classes of a model, and whether they exclude each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agg2exp.domain.errors import SettingError, check_choice
from agg2exp.domain.names import problem_of

MOST_CLASSES = 255
BACKGROUND = "background"


@dataclass(frozen=True)
class Labels:
    """Names of the classes of a model, in the order of its channels, and whether they exclude each other.

    Attributes:
        classes: Class names (L). With a softmax head the first is background.
        head: "softmax": every voxel belongs to the class of the largest logit; "sigmoid": to every class whose logit
            is above 0 (probability 0.5), so that regions may overlap and one class (L = 1) is enough.

    Raises:
        SettingError: They are no list of different names that can name files, too few or too many, or the head is
            neither.
    """

    classes: tuple[str, ...]
    head: str = "softmax"

    def __post_init__(self) -> None:
        given: object = self.classes
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise SettingError("labels", given, "a list of names, one for each channel of the network's output")
        object.__setattr__(self, "classes", tuple(given))
        check_choice("head", self.head, ("softmax", "sigmoid"))
        least = 2 if self.exclusive else 1
        if not least <= len(self.classes) <= MOST_CLASSES:
            allowed = f"{least} to {MOST_CLASSES} names" + (", background first" if self.exclusive else "")
            raise SettingError("labels", list(self.classes), allowed)
        if wrong := problem_of(self.classes):
            raise SettingError("labels", list(self.classes), wrong)
        if not all(name.strip() for name in self.classes):
            raise SettingError("labels", list(self.classes), "names that are not blank")
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
        chosen = list(names) if isinstance(names, Iterable) and not isinstance(names, str) else [names]
        unknown = [n for n in chosen if n not in self.classes]
        if unknown or not chosen or len(set(chosen)) != len(chosen):
            raise SettingError("classes", chosen, f"'all' or a list without repeats from {list(self.classes)}")
        return tuple(self.classes.index(n) for n in chosen)
