"""Supervoxels that somebody else made."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.errors import SettingError
from agg2exp.domain.masks import ClassMasks
from agg2exp.supervoxels.base import Supervoxels

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Given(Supervoxels):
    """v as given, for the Python call (`feature_mask`).

    Every id that occurs is one supervoxel, a negative one as well. Ids that leave gaps or do not start at 0 are
    renumbered in their order, and a message says so once; `numbers` has them as given. (captum's KernelShap counts an
    id missing in between as a feature without voxels.)

    Attributes:
        ids: (D, H, W) whole numbers, of the image's shape, or (1, 1, D, H, W) as captum has it; kept as int64 0..S-1.
        name_of: What ids are called, by the id as given.
        quiet: Renumbering is no news.

    Raises:
        SettingError: `ids` are no whole numbers; or, when called, the image has another shape.
    """

    name: ClassVar[str] = "given"

    ids: Tensor
    name_of: Mapping[int, str] = field(default_factory=dict)
    quiet: InitVar[bool] = False
    _numbers: Tensor = field(init=False)

    def __post_init__(self, quiet: bool) -> None:
        if not isinstance(self.ids, Tensor):
            raise SettingError("feature_mask", type(self.ids).__name__, "a torch.Tensor (D, H, W) of whole numbers")
        if self.ids.ndim == 5 and self.ids.shape[:2] == (1, 1):
            object.__setattr__(self, "ids", self.ids[0, 0])
        if self.ids.is_floating_point() or self.ids.is_complex():
            raise SettingError("feature_mask", self.ids.dtype, "whole numbers, such as torch.int64")
        if self.ids.numel() == 0:
            raise SettingError("feature_mask", f"shape {tuple(self.ids.shape)}", "at least one voxel")
        numbers, ids = torch.unique(self.ids.long(), return_inverse=True)
        if not quiet and not torch.equal(ids, self.ids.long()):
            log.warning(
                "feature_mask: ids from %d to %d, %d of them used, are renumbered to 0..%d in their order",
                *(int(self.ids.min()), int(self.ids.max()), int(ids.max()) + 1, int(ids.max())),
            )
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "_numbers", numbers)

    def __call__(self, image: Tensor, masks: ClassMasks) -> Tensor:
        """(D, H, W) int64."""
        if self.ids.shape != image.shape[1:]:
            raise SettingError(
                "feature_mask",
                f"shape {tuple(self.ids.shape)}",
                f"the shape (D, H, W) of the image {tuple(image.shape[1:])}",
            )
        return self.ids.to(image.device)

    def numbers(self, masks: ClassMasks) -> Tensor:
        """The ids as given, (S,) int64."""
        return self._numbers

    def __repr__(self) -> str:
        content = self.ids.cpu().contiguous().numpy().tobytes()
        return f"Given({tuple(self.ids.shape)}, {hashlib.sha256(content).hexdigest()[:16]})"
