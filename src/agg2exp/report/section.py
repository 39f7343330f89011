"""A section of a report: what it is about, whether it may leave, and the outputs that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from agg2exp.report.outputs import Output, file_of
from agg2exp.report.study import Study

PUBLIC, PRIVATE = True, False
"""Only what is about all patients together may go to a tracker: nothing of one patient, and no metadata."""


@dataclass(frozen=True)
class Section:
    """A section of the analysis.

    Attributes:
        data_set: What it is about: a data set, or several.
        name: What it is.
        public: Whether its outputs are about no single patient.
        outputs: Made when iterated.
    """

    data_set: str
    name: str
    public: bool
    outputs: Iterable[Output]


def always(study: Study) -> bool:
    """Every data set has the section."""
    return True


class Plan(NamedTuple):
    """How a section of one data set is made.

    Attributes:
        name: What it is.
        public: Whether its outputs are about no single patient.
        make: Study -> outputs, named below the folder of the data set.
        wanted: Study -> whether the data set has such a section at all.
    """

    name: str
    public: bool
    make: Callable[[Study], Iterable[Output]]
    wanted: Callable[[Study], bool] = always

    def of(self, study: Study) -> Section:
        """The section of a data set; nothing is computed yet."""
        return Section(study.data.name, self.name, self.public, self._below_its_folder(study))

    def _below_its_folder(self, study: Study) -> Iterator[Output]:
        folder = file_of(study.data.name)
        for name, content in self.make(study):
            yield f"{folder}/{name}", content
