"""A baseline that somebody else made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from torch import Tensor

from agg2exp.baselines.base import Baseline
from agg2exp.baselines.constant import Constant
from agg2exp.domain.errors import SettingError
from agg2exp.domain.rng import KeyedRng


@dataclass(frozen=True, eq=False)
class Given(Baseline):
    """x′ as given, for the Python call.

    Attributes:
        volume: (C, D, H, W), of the image's shape; or (1, C, D, H, W), as captum has it.

    Raises:
        SettingError: The volume is not finite; or, when called, the image has another shape.
    """

    volume: Tensor

    def __post_init__(self) -> None:
        if not bool(self.volume.isfinite().all()):
            raise SettingError("baselines", "NaN or infinity", "a volume of finite numbers")
        if self.volume.ndim == 5 and len(self.volume) == 1:
            object.__setattr__(self, "volume", self.volume[0])

    def __call__(self, image: Tensor, rng: KeyedRng) -> Tensor:
        """(C, D, H, W)."""
        if self.volume.shape != image.shape:
            raise SettingError(
                "baselines",
                f"shape {tuple(self.volume.shape)}",
                f"the shape of the image {tuple(image.shape)}",
            )
        return self.volume.to(image)

    def __repr__(self) -> str:
        content = self.volume.detach().cpu().contiguous().numpy().tobytes()
        return f"Given({tuple(self.volume.shape)}, {hashlib.sha256(content).hexdigest()[:16]})"


def as_baseline(value: Baseline | Tensor | float) -> Baseline:
    """A baseline from one, from a volume (C, D, H, W) or from a number.

    Raises:
        SettingError: It is none of these.
    """
    if isinstance(value, Baseline):
        return value
    if isinstance(value, Tensor):
        return Given(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Constant(float(value))
    raise SettingError("baselines", value, "a baseline, a tensor (C, D, H, W) or a number")
