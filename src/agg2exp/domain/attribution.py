"""Voxel attributions of all explained classes, and the questions that every kind of them answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from agg2exp.domain.errors import check_choice
from agg2exp.domain.regions import Regions

MOST_PARTS = 1024  # of a partition, that sums over them are a product with its membership matrix
CHUNK = 1 << 15  # voxels at a time: (2 K + R) x CHUNK floats stay in the processor's cache


class Attribution(ABC):
    """e_c for K classes over C channels and (D, H, W) voxels, however it is stored.

    Attributes:
        expansion: How values become voxels.
        notes: By name, one number per class that says how far the attribution can be trusted, (K,) float64 on the CPU.
    """

    expansion: str = "voxel"
    notes: Mapping[str, Tensor]

    @property
    @abstractmethod
    def n_classes(self) -> int:
        """K."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Attribution:
        """The same attribution on `device`."""

    @abstractmethod
    def joined(self, others: Iterable[Attribution], n_classes: int) -> Attribution:
        """One attribution of all `n_classes`, from others of the same kind and case for further classes."""

    @abstractmethod
    def known_where(self, known: Tensor, **notes: Tensor) -> Attribution:
        """The same attribution, NaN for the classes that are not known (K,) bool; `notes` (K,) are added."""

    @abstractmethod
    def dense(self, k: int) -> Tensor:
        """e of the k-th explained class, (C, D, H, W)."""

    @abstractmethod
    def region_mass(self, regions: Regions) -> tuple[Tensor, Tensor]:
        """Positive and negative mass of every class in every channel and region.

        Returns:
            P[k, c, r] = Σ_{i in r} max(e_k(c, i), 0) and N[k, c, r] = Σ_{i in r} max(-e_k(c, i), 0), (K, C, R) float64
            each; C = 1 where a value is one of all channels together. Then ‖e_k ⊙ R_r‖₁ = Σ_c P + N, and the signed
            sum is Σ_c P - N.
        """

    @abstractmethod
    def subset_sum(self, voxels: Tensor) -> Tensor:
        """Σ_{i in voxels} e_k(i) over channels, (K,) float64; `voxels` are flat indices (M,)."""


@dataclass(frozen=True, eq=False)
class DenseAttribution(Attribution):
    """One value per class, channel and voxel.

    Attributes:
        values: (K, C, D, H, W).
    """

    values: Tensor
    notes: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def n_classes(self) -> int:
        """K."""
        return self.values.shape[0]

    def to(self, device: torch.device | str) -> DenseAttribution:
        """The same attribution on `device`."""
        return replace(self, values=self.values.to(device))

    def joined(self, others: Iterable[Attribution], n_classes: int) -> DenseAttribution:
        """One attribution of all classes; of `others`, only one at a time is held beside the whole."""
        values = self.values.new_empty(n_classes, *self.values.shape[1:])
        end = self.n_classes
        values[:end] = self.values
        notes = [self.notes]
        for other in others:
            for k in range(other.n_classes):
                values[end + k] = other.dense(k)
            end += other.n_classes
            notes.append(other.notes)
        return DenseAttribution(values, _joined_notes(notes))

    def known_where(self, known: Tensor, **notes: Tensor) -> DenseAttribution:
        """The same attribution, NaN for the classes that are not known (K,) bool."""
        return replace(self, values=_known(self.values, known), notes={**self.notes, **notes})

    def dense(self, k: int) -> Tensor:
        """e of the k-th explained class, (C, D, H, W)."""
        return self.values[k]

    def region_mass(self, regions: Regions) -> tuple[Tensor, Tensor]:
        """One pass over the voxels: a chunked product with the membership matrix, summed in float64.

        The matrix is as wide as there are parts; where they are many, their sums go by index, and it has masks alone.
        """
        k, c = self.values.shape[:2]
        n_by_index = regions.n_parts if regions.n_parts > MOST_PARTS else 0
        by_product = replace(regions, n_parts=regions.n_parts - n_by_index)
        ids = regions.partition.flatten()
        flat = self.values.reshape(k * c, -1)
        dtype = torch.promote_types(flat.dtype, torch.float32)
        sums = torch.zeros(2, k * c, regions.n_regions, dtype=torch.float64, device=flat.device)
        # one buffer for all chunks: fresh memory for each of them would cost more than the product
        buffer = torch.empty(2, k * c, CHUNK, dtype=dtype, device=flat.device)
        for part, member in by_product.membership(CHUNK, dtype):
            e = flat[:, part].to(dtype)
            signed = buffer[..., : e.shape[1]]
            positive = torch.clamp(e, min=0, out=signed[0])
            torch.sub(positive, e, out=signed[1])
            sums[..., n_by_index:] += signed @ member
            if n_by_index:
                sums.index_add_(2, ids[part].int(), signed.double())
        positive, negative = sums.reshape(2, k, c, -1)
        return positive, negative

    def subset_sum(self, voxels: Tensor) -> Tensor:
        """Σ_{i in voxels} e_k(i), (K,) float64."""
        return self.values.flatten(2)[:, :, voxels].sum(dim=(1, 2), dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class SupervoxelAttribution(Attribution):
    """One value per class and supervoxel: K x S numbers in place of K x p.

    Attributes:
        supervoxels: (D, H, W) int64, ids 0..S-1 without gaps.
        values: (K, S) φ, one per class and supervoxel.
        expansion: "density": e(i) = φ_s / |v_s|, so that Σ_i e(i) = Σ_s φ_s; "value": e(i) = φ_s.
        standard_errors: (K, S) float64 of φ where the method estimates it, NaN where it cannot; else None.
        numbers: (S,) int64 on the CPU, the number of each supervoxel that is the same in all cases (its label in an
            atlas); None if there is none.
        names: What supervoxels are called, by that number.
        players: Supervoxels that took part; the others have φ = 0 because they cannot matter. None for all.
    """

    supervoxels: Tensor
    values: Tensor
    expansion: str = "density"
    standard_errors: Tensor | None = None
    players: tuple[int, ...] | None = None
    notes: Mapping[str, Tensor] = field(default_factory=dict)
    numbers: Tensor | None = None
    names: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("expansion", self.expansion, ("density", "value"))

    @property
    def n_classes(self) -> int:
        """K."""
        return self.values.shape[0]

    def _per_voxel(self) -> Tensor:
        """(K, S) value of one voxel of each supervoxel."""
        if self.expansion == "value":
            return self.values
        size = torch.bincount(self.supervoxels.flatten(), minlength=self.values.shape[1])
        return self.values / size.clamp(min=1)

    def to(self, device: torch.device | str) -> SupervoxelAttribution:
        """The same attribution on `device`."""
        errors = None if self.standard_errors is None else self.standard_errors.to(device)
        return replace(
            self, supervoxels=self.supervoxels.to(device), values=self.values.to(device), standard_errors=errors
        )

    def joined(self, others: Iterable[Attribution], n_classes: int) -> SupervoxelAttribution:
        """One attribution of all classes; the supervoxels are the same for all."""
        parts = [self, *(other for other in others if isinstance(other, SupervoxelAttribution))]
        errors = [part.standard_errors for part in parts if part.standard_errors is not None]
        return replace(
            self,
            values=torch.cat([part.values for part in parts]),
            standard_errors=torch.cat(errors) if errors else None,
            players=tuple(sorted({player for part in parts for player in part.players or ()})) or None,
            notes=_joined_notes([part.notes for part in parts]),
        )

    def known_where(self, known: Tensor, **notes: Tensor) -> SupervoxelAttribution:
        """The same attribution, NaN for the classes that are not known (K,) bool, also their standard errors."""
        errors = None if self.standard_errors is None else _known(self.standard_errors, known)
        values = _known(self.values, known)
        return replace(self, values=values, standard_errors=errors, notes={**self.notes, **notes})

    def dense(self, k: int) -> Tensor:
        """e of the k-th explained class, (1, D, H, W)."""
        return self._per_voxel()[k][self.supervoxels].unsqueeze(0)

    def region_mass(self, regions: Regions) -> tuple[Tensor, Tensor]:
        """Σ_s value_s · |v_s ∩ R_r| (K, 1, R): a product with the table of overlaps, no volume is expanded."""
        s, r0 = self.values.shape[1], regions.n_parts
        ids = self.supervoxels.flatten()
        overlap = torch.zeros(s, regions.n_regions, dtype=torch.float64, device=ids.device)
        joint = torch.bincount(ids * r0 + regions.partition.flatten().long(), minlength=s * r0)
        overlap[:, :r0] = joint.reshape(s, r0)
        for j, mask in enumerate(regions.masks):
            overlap[:, r0 + j] = torch.bincount(ids[mask.flatten()], minlength=s)
        e = self._per_voxel().double()
        return (e.clamp(min=0) @ overlap).unsqueeze(1), ((-e).clamp(min=0) @ overlap).unsqueeze(1)

    def subset_sum(self, voxels: Tensor) -> Tensor:
        """Σ_{i in voxels} e_k(i), (K,) float64."""
        counts = torch.bincount(self.supervoxels.flatten()[voxels], minlength=self.values.shape[1])
        return self._per_voxel().double() @ counts.double()


def _known(values: Tensor, known: Tensor) -> Tensor:
    """Values (K, …) as they are if every class is known, else a copy with NaN for the others."""
    if bool(known.all()):
        return values
    return values.masked_fill(~known.to(values.device).view(-1, *[1] * (values.ndim - 1)), torch.nan)


def _joined_notes(notes: list[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([note[name] for note in notes]) for name in notes[0]}
