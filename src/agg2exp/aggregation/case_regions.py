"""The source regions of one case, in the form that sums over them need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from agg2exp.aggregation.class_voxels import class_voxels
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.errors import CaseError, check_choice
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import Cells, ClassMasks
from agg2exp.domain.regions import Regions


@dataclass(frozen=True, eq=False)
class Membership:
    """Which of the Q columns of sums over voxels belong to what; zero-one matrices, float64.

    Attributes:
        sources: (Q, R) to the sources.
        cells: (Q, P) to the parts of the partition that the masks make. A voxel is in one of them, so that a sum over
            them is one over all voxels, which one over overlapping sources is not.
    """

    sources: Tensor
    cells: Tensor

    def total(self, sums: Tensor) -> Tensor:
        """Sums (…, Q) over all voxels, (…, 1)."""
        return (sums @ self.cells).sum(dim=-1, keepdim=True)


@dataclass(frozen=True, eq=False)
class CaseRegions:
    """The regions that the attribution of a case is summed over, and the classes that may be targets.

    Sources (R) are `Labels.sources` and then the extra masks: exclusive classes (with background) partition the
    volume; of overlapping ones a voxel may have several or none ("background"), as of extra masks.

    Attributes:
        case_id: The case, named in errors.
        labels: Names of the model's classes (L).
        sources: Names of the sources (R).
        unknown: For each source, whether it is unknown where it is (R): a class that was not annotated, and background
            with it, since it contains that class; an extra mask that was not supplied.
        predicted: Where each class was predicted.
        voxels: Predicted voxels of each class (L).
        sums: Q regions that sources consist of: the combinations (cell, inside the body?), then parts of extra masks.
        whole: What belongs to a source or cell.
        inside: The same within the body; all zero where the body is unknown.
        extra: Extra masks by name, (D, H, W) bool; None for one that was not supplied.
        body: (D, H, W) bool, the patient without the air around; None if unknown.
        grid: Grid of the voxels.
        channels: Names of the channels of the image (C).
    """

    case_id: str
    labels: Labels
    sources: tuple[str, ...]
    unknown: tuple[bool, ...]
    predicted: ClassMasks
    voxels: Tensor
    sums: Regions
    whole: Membership
    inside: Membership
    extra: Mapping[str, Tensor | None]
    body: Tensor | None
    grid: Grid
    channels: tuple[str, ...]

    @classmethod
    def of(cls, case: Case, predicted: ClassMasks, labels: Labels, source: str = "prediction") -> CaseRegions:
        """The regions of a case.

        Args:
            case: The case, with its extra masks, body and, for source="label", annotation.
            predicted: Where each class was predicted.
            labels: Names of the model's classes.
            source: Where source regions come from: "prediction" (as in the paper), or "label".

        Raises:
            CaseError: There is no annotation where there should be one, or it does not say of which classes; a label is
                outside 0..L-1, shapes differ, or an extra mask is named like a source.
            SettingError: `source` is neither of the two.
        """
        check_choice("regions", source, ("prediction", "label"))
        masks, annotated = predicted, (True,) * len(labels)
        if source == "label":
            if case.annotation is None:
                raise CaseError(case.id, "regions=label needs an annotation, this case has none.")
            masks, annotated = case.annotation, case.annotated
            if len(annotated) != len(labels):
                raise CaseError(
                    case.id,
                    f"expected whether each of {len(labels)} classes was annotated, got {len(annotated)} of them. "
                    "Give Case(annotated=…) one truth for each class.",
                )
        _check_masks(case, predicted, masks, labels)
        voxels = class_voxels(case.id, "the prediction", predicted, len(labels))
        class_voxels(case.id, "the regions", masks, len(labels))
        known = annotated[1:] if labels.exclusive else annotated
        sums, whole, inside = _columns(masks.cells(), case.extra, case.body)
        return cls(
            case_id=case.id,
            labels=labels,
            sources=(*labels.sources, *case.extra),
            unknown=(not all(annotated), *(not k for k in known), *(mask is None for mask in case.extra.values())),
            predicted=predicted,
            voxels=voxels,
            sums=sums,
            whole=whole,
            inside=inside,
            extra=case.extra,
            body=case.body,
            grid=case.grid,
            channels=case.channels,
        )

    def column(self, c: int) -> int:
        """Index of class c among the sources."""
        return self.sources.index(self.labels.classes[c])


def _columns(
    cells: Cells, extra: Mapping[str, Tensor | None], body: Tensor | None
) -> tuple[Regions, Membership, Membership]:
    """Regions whose sums contain everything, and what belongs to the whole and what to the inside of the body.

    The parts are the combinations (cell, inside the body?) that occur. A mask has its part inside the body as a second
    mask, if that differs. An extra mask that was not supplied is left empty.
    """
    n_cells, n_sources = cells.members.shape
    code = 2 * cells.ids.int() + (0 if body is None else body.bool().int())
    codes = torch.bincount(code.flatten(), minlength=2 * n_cells).nonzero().flatten()
    dtype = torch.int16 if len(codes) < torch.iinfo(torch.int16).max else torch.int32
    part_of_code = torch.zeros(2 * n_cells, dtype=dtype, device=code.device)
    part_of_code[codes] = torch.arange(len(codes), dtype=dtype, device=code.device)

    masks, columns = [torch.zeros((0, *code.shape), dtype=torch.bool, device=code.device)], []
    for source, mask in enumerate(extra.values(), start=n_sources):
        if mask is None:
            continue
        whole_mask = mask.bool()
        masks.append(whole_mask.unsqueeze(0))
        inside_mask = None if body is None else whole_mask & body.bool()
        if inside_mask is None or torch.equal(inside_mask, whole_mask):
            columns.append((source, True, body is not None))  # of the whole? of the inside?
        else:
            masks.append(inside_mask.unsqueeze(0))
            columns += [(source, True, False), (source, False, True)]

    n_parts = len(codes)
    to_cells = torch.zeros(2, n_parts + len(columns), n_cells, dtype=torch.float64, device=code.device)
    to_cells[0, torch.arange(n_parts, device=code.device), codes // 2] = 1
    to_cells[1] = to_cells[0]
    to_cells[1, :n_parts] *= (codes % 2).unsqueeze(1)
    to_sources = torch.cat(
        [to_cells @ cells.members.double(), to_cells.new_zeros(*to_cells.shape[:2], len(extra))], dim=2
    )
    for q, (source, of_whole, of_inside) in enumerate(columns, start=n_parts):
        to_sources[0, q, source], to_sources[1, q, source] = of_whole, of_inside
    whole, inside = (Membership(s, c) for s, c in zip(to_sources, to_cells, strict=True))
    return Regions(part_of_code[code], n_parts, torch.cat(masks)), whole, inside


def _check_masks(case: Case, predicted: ClassMasks, masks: ClassMasks, labels: Labels) -> None:
    """Raise `CaseError` unless extra masks have names of their own, and all volumes one shape."""
    others = {name: mask for name, mask in {"the body": case.body, **case.extra}.items() if mask is not None}
    for name in case.extra:
        if name in labels.sources:
            raise CaseError(
                case.id, f"expected another name for extra mask {name!r}: the model has a class of that name."
            )
    for name, shape in {"the prediction": predicted.shape, **{n: tuple(m.shape) for n, m in others.items()}}.items():
        if shape != masks.shape:
            raise CaseError(
                case.id,
                f"expected the shape of the regions {masks.shape}, got {shape} for {name}. "
                "Resample it to the grid of the image.",
            )
