"""Classes in groups, for pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agg2exp.figures.anatomy import Anatomy, Group


def grouped(classes: Sequence[str], groups: Sequence[str], colours: Mapping[str, str]) -> Anatomy:
    """Each class in the group at its place."""
    of_group = {name: tuple(c for c, own in zip(classes, groups, strict=True) if own == name) for name in colours}
    return Anatomy({name: Group(colour, of_group[name]) for name, colour in colours.items()}, tuple(classes))
