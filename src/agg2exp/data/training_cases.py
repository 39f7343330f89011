"""Cases whose patches a model is trained with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.utils.data import DataLoader

from agg2exp.data.patches import TrainingPatches
from agg2exp.data.random_state import random_state, set_random_state
from agg2exp.data.reading.reader import CaseReader
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import CaseError, SettingError

log = logging.getLogger(__name__)


class TrainingCases:
    """The loader of training patches and its random state.

    Args:
        patches: Makes what cuts them; None where there is no training.
        reader: Reads the cases.
    """

    def __init__(self, patches: Callable[..., TrainingPatches] | None, reader: CaseReader) -> None:
        self.patches = patches
        self.reader = reader
        self._loader: DataLoader[Any] | None = None
        self._random: Mapping[str, Any] | None = None

    def loader(self, records: Sequence[CaseRecord]) -> DataLoader[Any]:
        """Random patches; cases with gaps in their annotation are left out.

        Raises:
            SettingError: There are no settings of patches, classes may overlap, or no case has every class annotated.
        """
        if self.patches is None:
            raise SettingError("data.patches", None, "settings of training patches (see conf/data/phantom.yaml)")
        if not self.reader.annotation.labels.exclusive:
            allowed = "softmax, since patches are drawn from a label map"
            raise SettingError("model.head", self.reader.annotation.labels.head, allowed)
        usable = [record for record in records if self._is_complete(record)]
        if len(usable) < len(records):
            log.warning(
                "%d of %d training cases lack an annotation of some class and are left out",
                len(records) - len(usable),
                len(records),
            )
        if not usable:
            raise SettingError("data.split", "train", "training cases with every class annotated")
        self._loader = self.patches(n_classes=len(self.reader.annotation.labels)).loader(self.reader, usable)
        if self._random is not None:
            set_random_state(self._loader, self._random)
        return self._loader

    def state(self) -> dict[str, Any]:
        """Random states of the patches; empty before there are any."""
        return {} if self._loader is None else random_state(self._loader)

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """What an earlier training kept; called before patches are asked for."""
        self._random = state

    def _is_complete(self, record: CaseRecord) -> bool:
        try:
            return all(self.reader.annotation.annotated(record))
        except CaseError as error:
            log.warning("%s", error)
            return False
