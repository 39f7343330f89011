"""The data module: which cases go to training, validation, test and explanation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
from rich.progress import track
from torch.utils.data import DataLoader

from agg2exp.data.case_dataset import CaseDataset
from agg2exp.data.catalogue import Catalogue
from agg2exp.data.generator import Generator, generate_missing
from agg2exp.data.layouts.base import Layout
from agg2exp.data.patches import TrainingPatches
from agg2exp.data.reading.annotation import AnnotationReader
from agg2exp.data.reading.extra_masks import ExtraMasks
from agg2exp.data.reading.label_names import read_label_names
from agg2exp.data.reading.reader import CaseReader
from agg2exp.data.records import CaseRecord
from agg2exp.data.selection import Selection, of_split
from agg2exp.data.training_cases import TrainingCases
from agg2exp.domain.case import Case, Failure
from agg2exp.domain.errors import check_range
from agg2exp.domain.files import LabelMapFile
from agg2exp.domain.labels import Labels
from agg2exp.preprocessing.base import Preprocessor
from agg2exp.run.agenda import Agenda
from agg2exp.store.limits import Limits

MANY_HEADERS = 200  # from which reading them shows a progress bar


class CaseDataModule(lightning.LightningDataModule):
    """Cases of one data set, read for one model.

    Args:
        root: Folder of the data set.
        layout: Makes the layout from `root`: which cases there are, and where their files lie.
        preprocessing: What the model was trained on.
        labels: The model's classes.
        merge: Structures that are merged into a class, by class, see `structures_of`.
        resample: How extra masks are resampled, see `CaseReader`.
        mask_threshold: What is above it is inside, in masks that have more values than 0 and one other (probabilities,
            resampled masks, several labels); None refuses them.
        extra_masks: Further regions, see `ExtraMasks`.
        cache: Folder for merged label maps; None keeps none.
        label_map: The label map that supervoxels need; None if they need none.
        split: Split to explain; None for all cases.
        cases: Ids of the cases to explain, see `Selection`; None for all of the split.
        limit: At most so many cases; None for all.
        shard: Which share of them, "k/n", see `Selection`; None for all.
        patches: Makes what cuts training patches; only training needs it.
        generator: Makes from `root` what writes missing cases (phantoms); None for data that exist.
        num_workers: Processes that read ahead while explaining, validating and testing.
        limits: Sizes that a scan's header may claim before its voxels are read.
    """

    def __init__(
        self,
        root: str,
        layout: Callable[..., Layout],
        preprocessing: Preprocessor,
        labels: Labels,
        merge: Mapping[str, Sequence[str]] | None = None,
        resample: str = "nearest",
        mask_threshold: float | None = None,
        extra_masks: Mapping[str, str] | None = None,
        cache: str | Path | None = None,
        label_map: LabelMapFile | None = None,
        split: str | None = "test",
        cases: Sequence[object] | str | float | None = None,
        limit: int | None = None,
        shard: str | None = None,
        patches: Callable[..., TrainingPatches] | None = None,
        generator: Callable[..., Generator] | None = None,
        num_workers: int = 0,
        limits: Limits | None = None,
    ) -> None:
        super().__init__()
        check_range("num_workers", num_workers, 0, integer=True)
        if mask_threshold is not None:
            check_range("mask_threshold", mask_threshold, 0)
        self.layout = layout(root=root)
        self.preprocessing = preprocessing
        self.patches = patches
        self.generator = None if generator is None else generator(root=root)
        self.num_workers = num_workers
        self.selection = Selection(split, cases, limit, shard)
        self.catalogue = Catalogue(self.layout, ExtraMasks(extra_masks or {}, labels), label_map)
        names = None if label_map is None else label_map.names
        self.reader = CaseReader(
            preprocessing,
            AnnotationReader(labels, merge, mask_threshold, cache),
            resample,
            limits or Limits(),
            {} if names is None else read_label_names(self.layout.root / names),
            (type(self.layout),),
        )
        self.training = TrainingCases(patches, self.reader)
        self.agenda = Agenda()
        self._prepared = False

    def prepare_data(self) -> None:
        """On one process and once: generate what is missing, and say what no case has."""
        if self._prepared:
            return
        self._prepared = True
        if self.generator is not None:
            generate_missing(self.generator)
            self.catalogue.forget()
        structures = {name for of_class in self.reader.annotation.structures for name in of_class}
        self.catalogue.warn_of_what_no_case_has(structures)

    def records(self, split: str | None) -> list[CaseRecord]:
        """The cases of a split; all if it is None.

        Raises:
            SettingError: The split is empty.
        """
        return of_split(self.catalogue.by_id(), split, str(self.layout.root))

    def expected(self) -> list[str]:
        """Ids of the cases that should be explained when the run ends."""
        return [record.id for record in self._chosen()]

    def fingerprints(self, cases: Collection[str]) -> dict[str, str]:
        """What changes when a file of a case changes, by id, of cases that the data set has; reads their files."""
        return {case: self.reader.fingerprint(r) for case, r in self.catalogue.by_id().items() if case in cases}

    def leave_out(self, finished: frozenset[str]) -> None:
        """Do not hand out cases that an earlier part of this run has finished."""
        self.agenda.finished = finished

    def hand_out(self, last: Mapping[str, int], begin: Callable[[str], None]) -> None:
        """Hand out some cases after all others, and tell which is begun.

        Args:
            last: These, the smallest number first.
            begin: Is told the id of each case before it is read.
        """
        self.agenda.last, self.agenda.begin = last, begin

    def pending(self) -> list[str]:
        """Ids of the cases that `predict_dataloader` hands out, over all ranks."""
        return [record.id for record in self._pending()]

    def costs(self) -> dict[str, float]:
        """Voxels after preprocessing of each pending case, from its header; 0 if that cannot be read."""
        pending = self._pending()
        shown = track(pending, "Reading headers", transient=True, disable=len(pending) < MANY_HEADERS)
        return {record.id: self.reader.cost(record) for record in shown}

    def read(self, case_id: str) -> Case | Failure:
        """One case of the data set."""
        return CaseDataset([self.catalogue.by_id()[case_id]], self.reader, self.agenda.begin)[0]

    def predict_dataloader(self) -> DataLoader[Case | Failure]:
        """The cases that this rank explains, in the data set's order; rank 0 alone knows which are left, and deals.

        Raises:
            SettingError: There are fewer cases than ranks.
        """
        trainer = self.trainer
        if trainer is None or trainer.world_size == 1:
            return self._loader(self._pending(), self.agenda.begin)
        dealt = (
            self.agenda.shares(self._chosen(), self.reader.cost, trainer.world_size) if trainer.is_global_zero else []
        )
        mine, by_id = trainer.strategy.broadcast(dealt)[trainer.global_rank], self.catalogue.by_id()
        return self._loader([by_id[case] for case in mine], self.agenda.begin)

    def val_dataloader(self) -> DataLoader[Case | Failure]:
        """Whole validation cases."""
        return self._loader(self.records("val"))

    def test_dataloader(self) -> DataLoader[Case | Failure]:
        """Whole cases of the test split."""
        return self._loader(self.records("test"))

    def train_dataloader(self) -> DataLoader[Any]:
        """Random patches of the training cases."""
        return self.training.loader(self.records("train"))

    def state_dict(self) -> dict[str, Any]:
        """Random states of the training patches; called by Lightning when it keeps the state of a training."""
        return self.training.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Called by Lightning before it asks for training patches."""
        self.training.go_on_from(state_dict)

    def _chosen(self) -> list[CaseRecord]:
        return self.selection.of(self.catalogue.by_id(), str(self.layout.root))

    def _pending(self) -> list[CaseRecord]:
        return self.agenda.left(self._chosen())

    def _loader(
        self, records: list[CaseRecord], begin: Callable[[str], None] | None = None
    ) -> DataLoader[Case | Failure]:
        dataset = CaseDataset(records, self.reader, begin)
        return DataLoader(dataset, batch_size=1, num_workers=self.num_workers, collate_fn=_only)


def _only(batch: list[Case | Failure]) -> Case | Failure:
    """Cases are not collated, since volumes differ in shape: a batch is one case."""
    (case,) = batch
    return case
