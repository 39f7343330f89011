"""Which structures of a data set make up a class of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.domain.names import leads_outside, problem_of

Structures = tuple[tuple[str, ...], ...]


def structures_of(labels: Labels, merge: Mapping[str, Sequence[str]] | None = None) -> Structures:
    """For each class the structures that are merged into it (L); none for the background of exclusive classes.

    Args:
        labels: The model's classes.
        merge: Structures by class. A class that is not named here is the structure of its own name; names that are no
            class of this model are those of others, and mean nothing.

    Raises:
        SettingError: An entry is no list of names of structures, or a structure belongs to two classes that exclude
            each other. It names the key.
    """
    if merge is not None and not isinstance(merge, Mapping):
        raise SettingError("merge", merge, "lists of structures by class")
    if wrong := problem_of(merge or ()):
        raise SettingError("merge", list(merge or ()), wrong)
    given = {name: _checked(f"merge.{name}", structures) for name, structures in (merge or {}).items()}
    if labels.exclusive and labels.background in given:
        allowed = "no structures of the background, which is where no structure is"
        raise SettingError(f"merge.{labels.background}", list(given[labels.background]), allowed)
    made = {name: given.get(name) or _checked("labels", [name]) for name in labels.structures}
    counts = Counter(structure for structures in made.values() for structure in structures)
    repeated = [structure for structure, n in counts.items() if n > 1]
    if repeated and labels.exclusive:
        raise SettingError(
            "merge",
            repeated,
            "every structure in one class",
            "The later class would take all voxels of the earlier; with head=sigmoid classes may share structures.",
        )
    return tuple(made.get(name, ()) for name in labels.classes)


def _checked(key: str, structures: object) -> tuple[str, ...]:
    """Names of structures, at least one, each once.

    Raises:
        SettingError: They are something else.
    """
    allowed = "a list of structures, such as names of files in the folder segmentations, each once"
    if isinstance(structures, str) or not isinstance(structures, Sequence) or not structures:
        raise SettingError(key, structures, allowed)
    if wrong := problem_of(structures):
        raise SettingError(key, list(structures), wrong)
    for name in structures:
        if leads_outside(name) or list(structures).count(name) > 1:
            raise SettingError(key, name, allowed)
    return tuple(structures)
