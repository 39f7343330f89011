"""What an analysis leaves out because the data do not allow it, and why."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.report.data_set import DataSet
from agg2exp.report.outputs import Output

log = logging.getLogger(__name__)

EVERYTHING = "everything"
"""The part that stands for a whole data set."""


@dataclass(frozen=True)
class LeftOut:
    """A part of the analysis that the data do not allow: a section, or a run of a data set, or all of it."""

    data_set: str
    part: str
    reason: str


def until_left_out(data_set: str, section: str, outputs: Iterable[Output], left_out: list[LeftOut]) -> Iterator[Output]:
    """The outputs of one section; where the data do not allow it, the reason is noted and the other sections go on."""
    try:
        yield from outputs
    except DataError as error:
        log.warning("%s: %s is left out: %s", data_set, section, error)
        left_out.append(LeftOut(data_set, section, str(error)))


def with_importances(data_sets: Sequence[DataSet], reference: str | None, left_out: list[LeftOut]) -> list[DataSet]:
    """The data sets whose RoI importances form one table; of the others it is noted why not.

    Args:
        data_sets: All that were read.
        reference: Name of the one that is the reference, which cannot be left out.
        left_out: What was damaged; the others are added.

    Raises:
        DataError: No data set has them, or not the one that is the reference.
    """
    good, reasons = [], {}
    damaged = {item.data_set: item.reason for item in left_out if item.part == EVERYTHING}
    if reference in damaged:
        raise DataError(f"{reference}: {damaged[reference]}")
    for data in data_sets:
        try:
            data.importances(Kind.IMPORTANCE)
            good.append(data)
        except DataError as error:
            reasons[data.name] = str(error)
            if data.name == reference or len(reasons) == len(data_sets):
                raise DataError("; ".join(f"{name}: {reason}" for name, reason in reasons.items())) from error
    for name, reason in reasons.items():
        log.warning("%s is left out: %s", name, reason)
        left_out.append(LeftOut(name, EVERYTHING, reason))
    return good
