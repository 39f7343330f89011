"""Classes joined to one, such as the two lobes of the left lung."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agg2exp.analysis.importances import Importances
from agg2exp.analysis.means import mean_ignoring_nan
from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind

ADDITIVE = frozenset(Kind) - {Kind.MEAN, Kind.ENRICHMENT_VOLUME, Kind.ENRICHMENT_BODY}


def joined(importances: Importances, groups: Mapping[str, Sequence[str]]) -> Importances:
    """Replace the classes of each group by one class with the group's name, in the place of its first member.

    As sources the members' values are summed: they do not overlap, so Σ_b ‖e_a ⊙ R_b‖₁ / ‖e_a‖₁ is exactly
    Eq. 7 of their union. As targets the members' rows are averaged over those that a case has: every class
    is one voice, as in the averages of Dice over groups. (Eq. 7 of the sum of their attributions cannot be had
    from stored values, since parts of opposite sign cancel; weighting by ‖e_a‖₁ would let the largest class
    speak alone.) A group's importance for itself is thus the mean over its members of the share within the group.
    Expected by distance stays NaN from a member's group to itself.

    Args:
        importances: Of a kind that adds up over regions that do not overlap: not `mean`, not an enrichment.
        groups: For each new name its members, classes of the model; no class in two groups.

    Raises:
        DataError: The kind does not add up, or a group has an unknown class, an extra mask, one that is in
            another group, no member, or a name that is taken.
    """
    if importances.kind not in ADDITIVE:
        raise DataError(
            f"groups: {importances.kind.value} does not add up over regions and cannot be joined; expected one of "
            f"{sorted(kind.value for kind in ADDITIVE)}."
        )
    targets, sources, classes = (
        group_names(names, groups, importances.classes)
        for names in (importances.targets, importances.sources, importances.classes)
    )
    values = _reduced(importances.values, 2, sources, np.sum)  # first, so that NaN from a to a reaches its group
    values = _reduced(values, 1, targets, mean_ignoring_nan)
    return replace(
        importances,
        targets=tuple(dict.fromkeys(targets)),
        sources=tuple(dict.fromkeys(sources)),
        classes=tuple(dict.fromkeys(classes)),
        values=values,
    )


def group_names(
    names: Sequence[str], groups: Mapping[str, Sequence[str]], classes: Sequence[str] | None = None
) -> list[str]:
    """For each name that of its group, or the name itself if it is in none.

    Args:
        names: Names to translate.
        groups: For each group its classes.
        classes: The classes that may be in groups; all of `names` if not given.

    Raises:
        DataError: A group has an unknown class, one that is in another group, or none, or a name that is taken.
    """
    classes = names if classes is None else classes
    members = [name for of_group in groups.values() for name in of_group]
    unknown = sorted({*members} - {*classes})
    twice = sorted({name for name in members if members.count(name) > 1})
    empty = [group for group, of_group in groups.items() if not of_group]
    taken = [group for group, of_group in groups.items() if group in {*names, *classes} - {*of_group}]
    for wrong, problem in (
        (unknown, f"are no classes of the model ({', '.join(classes)})"),
        (twice, "are joined twice"),
        (empty, "have no members"),
        (taken, "are names of other regions; choose others"),
    ):
        if wrong:
            raise DataError(f"groups: expected every class at most once, under a new name; {wrong} {problem}.")
    group_of = {member: group for group, of_group in groups.items() for member in of_group}
    return [group_of.get(name, name) for name in names]


def _reduced(
    values: NDArray[np.float64], axis: int, names: list[str], reduce: Callable[..., NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Values (N, K, R) with all entries of one name along an axis reduced to one."""
    one_name = np.array(names, dtype=object)
    parts = [reduce(np.compress(one_name == name, values, axis=axis), axis=axis) for name in dict.fromkeys(names)]
    return np.stack(parts, axis=axis)
