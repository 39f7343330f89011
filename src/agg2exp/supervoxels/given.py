"""A partition that somebody else made."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agg2exp.domain.errors import SettingError
from agg2exp.supervoxels.base import Supervoxels, without_gaps

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Given(Supervoxels):
    """v as given, for the Python call (`feature_mask`).

    Every id that occurs is one supervoxel, a negative one as well. Ids that leave gaps or do not start at 0 are
    renumbered in their order, and a message says so once. (captum's KernelShap counts an id missing in between as a
    feature without voxels.)

    Attributes:
        ids: (D, H, W) whole numbers, of the image's shape; kept as int64 0..S-1.

    Raises:
        SettingError: `ids` are no whole numbers; or, when called, the image has another shape.
    """

    name: ClassVar[str] = "given"

    ids: Tensor

    def __post_init__(self) -> None:
        if self.ids.is_floating_point() or self.ids.is_complex():
            raise SettingError("feature_mask", self.ids.dtype, "whole numbers, such as torch.int64")
        if self.ids.numel() == 0:
            raise SettingError("feature_mask", f"shape {tuple(self.ids.shape)}", "at least one voxel")
        ids = without_gaps(self.ids)
        if not torch.equal(ids, self.ids.long()):
            log.warning(
                "feature_mask: ids from %d to %d, %d of them used, are renumbered to 0..%d in their order",
                *(int(self.ids.min()), int(self.ids.max()), int(ids.max()) + 1, int(ids.max())),
            )
        object.__setattr__(self, "ids", ids)

    def __call__(self, image: Tensor, labels: Tensor) -> Tensor:
        """(D, H, W) int64."""
        if self.ids.shape != image.shape[1:]:
            raise SettingError(
                "feature_mask",
                f"shape {tuple(self.ids.shape)}",
                f"the shape (D, H, W) of the image {tuple(image.shape[1:])}",
            )
        return self.ids.to(image.device)

    def __repr__(self) -> str:
        content = self.ids.cpu().contiguous().numpy().tobytes()
        return f"Given({tuple(self.ids.shape)}, {hashlib.sha256(content).hexdigest()[:16]})"
