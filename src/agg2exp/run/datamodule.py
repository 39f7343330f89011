"""The data module: which cases go to training, validation, test and explanation."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import lightning
from rich.progress import track
from torch.utils.data import DataLoader

from agg2exp.data.case_dataset import CaseDataset
from agg2exp.data.generator import Generator, generate_missing
from agg2exp.data.patches import TrainingPatches
from agg2exp.data.random_state import random_state, set_random_state
from agg2exp.data.records import CaseRecord, Layout
from agg2exp.domain.case import Case, Failure
from agg2exp.domain.chosen import chosen_ids
from agg2exp.domain.errors import CaseError, SettingError, check_choice, check_range
from agg2exp.domain.labels import Labels
from agg2exp.domain.resampling import RULES
from agg2exp.preprocessing.base import Preprocessor
from agg2exp.run.distributed.assignment import assign
from agg2exp.store.limits import Limits
from agg2exp.store.nifti import UnreadableVolumeError, open_volume

log = logging.getLogger(__name__)

MANY = 200  # headers, from which reading them shows a progress bar


class CaseDataModule(lightning.LightningDataModule):
    """Cases of one layout.

    Args:
        root: Folder of the data set.
        layout: Makes the layout from `root`, `labels` and `merge`: where the files lie, and what they mean.
        preprocessing: What the model was trained on.
        labels: Its classes.
        split: Split to explain; None for all cases.
        cases: Ids of the cases to explain, as `chosen_ids` takes them; None for all of the split.
        limit: At most so many cases; None for all.
        patches: Cuts training patches; only training needs it.
        generator: Makes from `root` what writes missing cases (phantoms); None for data that exist.
        num_workers: Processes that read ahead while explaining, validating and testing.
        limits: Sizes that a scan's header may claim before its voxels are read.
        resample: How extra masks are resampled, as `CaseDataset` takes it.
        merge: Structures that are merged into a class, by class, see `structures_of`.
    """

    def __init__(
        self,
        root: str,
        layout: Callable[..., Layout],
        preprocessing: Preprocessor,
        labels: Labels,
        split: str | None = "test",
        cases: Sequence[object] | str | float | None = None,
        limit: int | None = None,
        patches: Callable[..., TrainingPatches] | None = None,
        generator: Callable[..., Generator] | None = None,
        num_workers: int = 0,
        limits: Limits | None = None,
        resample: str = "nearest",
        merge: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        check_range("num_workers", num_workers, 0, integer=True)
        if limit is not None:
            check_range("limit", limit, 1, integer=True)
        self.layout = layout(root=root, labels=labels, merge=merge)
        self.preprocessing = preprocessing
        self.split = split
        self.cases = cases
        self.limit = limit
        self.patches = patches
        self.generator = None if generator is None else generator(root=root)
        self.num_workers = num_workers
        self.limits = limits or Limits()
        check_choice("resample", resample, tuple(RULES))
        self.resample = resample
        self._prepared = False
        self._by_id: dict[str, CaseRecord] = {}
        self._finished: frozenset[str] = frozenset()
        self._training: DataLoader[Any] | None = None
        self._random: dict[str, Any] | None = None
        self._last: Mapping[str, int] = {}
        self._begin: Callable[[str], None] | None = None

    def prepare_data(self) -> None:
        """On one process and once: generate what is missing, with a progress bar, and check the classes."""
        if self._prepared:
            return
        self._prepared = True
        if self.generator is not None:
            generate_missing(self.generator)
            self._by_id = {}
        records = list(self._all().values())
        unknown = self.layout.unknown_structures(records)
        if unknown:
            log.warning(
                "structures of model.labels and data.merge that no case of %s has a file for, so that their classes "
                "count as not annotated: %s",
                self.layout.root,
                ", ".join(f"{name} (did you mean {near}?)" if near else name for name, near in unknown.items()),
            )
        absent = self.layout.absent_masks(records)
        if absent:
            log.warning(
                "extra masks that no case of %s has, so that their importance is unknown or zero: %s",
                self.layout.root,
                ", ".join(f"{name} ({why})" for name, why in absent.items()),
            )

    def records(self, split: str | None, cases: Sequence[object] | str | float | None = None) -> list[CaseRecord]:
        """The cases of a split, or those with the given ids; all if neither is given.

        Raises:
            SettingError: The split is empty, or an id is unknown or could be several.
        """
        by_id = self._all()
        if cases is not None:
            return [by_id[c] for c in chosen_ids("data.cases", cases, by_id, f"{self.layout.root}/meta.csv")]
        chosen = [record for record in by_id.values() if split is None or record.split == split]
        if not chosen:
            found = dict(Counter(record.split for record in by_id.values()))
            raise SettingError("data.split", split, f"a split with cases; {self.layout.root} has {found}")
        return chosen

    def expected(self) -> list[str]:
        """Ids of the cases that should be explained when the run ends."""
        return [record.id for record in self._chosen()]

    def fingerprints(self, cases: Collection[str]) -> dict[str, str]:
        """What changes when a file of a case changes, by id, of cases that the data set has; reads their files."""
        records = [record for record in self._all().values() if record.id in cases]
        dataset = self._dataset(records)
        return {record.id: dataset.fingerprint(record) for record in records}

    def leave_out(self, finished: frozenset[str]) -> None:
        """Do not hand out cases that an earlier part of this run has finished."""
        self._finished = finished

    def hand_out(self, last: Mapping[str, int], begin: Callable[[str], None]) -> None:
        """Hand out some cases after all others, and tell which is begun.

        Args:
            last: These, the smallest number first.
            begin: Is told the id of each case before it is read.
        """
        self._last, self._begin = last, begin

    def pending(self) -> list[str]:
        """Ids of the cases that `predict_dataloader` hands out, over all ranks."""
        return [record.id for record in self._pending()]

    def costs(self) -> dict[str, float]:
        """Voxels after resampling of each pending case, by case id; 0 where its header allows no reading."""
        pending = self._pending()
        shown = track(pending, "Reading headers", transient=True, disable=len(pending) < MANY)
        return {record.id: self._cost(record) for record in shown}

    def read(self, case_id: str) -> Case | Failure:
        """One case of the data set."""
        return self._dataset([self._all()[case_id]], self._begin)[0]

    def predict_dataloader(self) -> DataLoader[Case | Failure]:
        """The cases that this rank explains, in the data set's order; rank 0 alone knows which are left, and deals.

        Raises:
            SettingError: There are fewer cases than ranks.
        """
        trainer = self.trainer
        if trainer is None or trainer.world_size == 1:
            return self._cases(self._pending(), self._begin)
        shares = trainer.strategy.broadcast(self._shares(trainer.world_size) if trainer.is_global_zero else [])
        by_id = self._all()
        return self._cases([by_id[case] for case in shares[trainer.global_rank]], self._begin)

    def _shares(self, ranks: int) -> list[list[str]]:
        """Ids of the cases of each rank."""
        records = self._pending()
        if len(records) < ranks:
            raise SettingError("trainer.devices", ranks, f"at most one for each of the {len(records)} cases")
        return [[records[i].id for i in share] for share in assign([self._cost(record) for record in records], ranks)]

    def val_dataloader(self) -> DataLoader[Case | Failure]:
        """Whole validation cases."""
        return self._cases(self.records("val"))

    def test_dataloader(self) -> DataLoader[Case | Failure]:
        """Whole cases of the test split."""
        return self._cases(self.records("test"))

    def train_dataloader(self) -> DataLoader[Any]:
        """Random patches of the training cases; cases with gaps in their annotation are left out."""
        if self.patches is None:
            raise SettingError("data.patches", None, "settings of training patches (see conf/data/phantom.yaml)")
        records = self.records("train")
        usable = [record for record in records if self._is_complete(record)]
        if len(usable) < len(records):
            log.warning(
                "%d of %d training cases lack an annotation of some class and are left out",
                len(records) - len(usable),
                len(records),
            )
        if not usable:
            raise SettingError("data.split", "train", "training cases with every class annotated")
        dataset = self._dataset(usable)
        self._training = self.patches(n_classes=len(self.layout.names)).loader(dataset, usable)
        if self._random is not None:
            set_random_state(self._training, self._random)
        return self._training

    def state_dict(self) -> dict[str, Any]:
        """Random states of the training patches; called by Lightning when it keeps the state of a training."""
        return {} if self._training is None else random_state(self._training)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Called by Lightning before it asks for training patches."""
        self._random = state_dict

    def _chosen(self) -> list[CaseRecord]:
        return self.records(self.split, self.cases)[: self.limit]

    def _pending(self) -> list[CaseRecord]:
        records = [record for record in self._chosen() if record.id not in self._finished]
        return sorted(records, key=lambda record: self._last.get(record.id, 0))  # stable: else the data set's order

    def _all(self) -> dict[str, CaseRecord]:
        """All records of the data set by id; its table is read once."""
        if not self._by_id:
            self._by_id = {record.id: record for record in self.layout.records()}
        return self._by_id

    def _is_complete(self, record: CaseRecord) -> bool:
        try:
            return all(self.layout.annotated(record))
        except CaseError as error:
            log.warning("%s", error)
            return False

    def _cost(self, record: CaseRecord) -> float:
        """Voxels after resampling, from the header alone; a scan that its header forbids to read fails later, fast."""
        try:
            scan = open_volume(record.image)
            voxels = self.preprocessing.voxels(scan.grid)
            self.limits.check(scan, voxels)
        except UnreadableVolumeError:
            return 0.0
        return voxels

    def _cases(
        self, records: list[CaseRecord], begin: Callable[[str], None] | None = None
    ) -> DataLoader[Case | Failure]:
        dataset = self._dataset(records, begin)
        return DataLoader(dataset, batch_size=1, num_workers=self.num_workers, collate_fn=_only)

    def _dataset(self, records: list[CaseRecord], begin: Callable[[str], None] | None = None) -> CaseDataset:
        return CaseDataset(self.layout, records, self.preprocessing, self.limits, self.resample, begin)


def _only(batch: list[Case | Failure]) -> Case | Failure:
    """Cases are not collated, since volumes differ in shape: a batch is one case."""
    (case,) = batch
    return case
