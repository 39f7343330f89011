"""Fill up a volume to the shape that a network needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monai.data import MetaTensor
from monai.transforms import DivisiblePad, SpatialPad

from agg2exp.domain.errors import SettingError, check_range


@dataclass(frozen=True)
class Pad:
    """At least `size` voxels, and a multiple of `multiple`, along each axis; as much before as behind.

    The window engine pads to the size of its windows by itself, and cuts that off again.

    Attributes:
        size: Least voxels along D, H, W; None: as they are.
        multiple: The number of voxels is a multiple of these; None: any.
        value: What is filled in, in the network's units.

    Raises:
        SettingError: A value is none, or neither size nor multiple is given.
    """

    size: Sequence[int] | None = None
    multiple: Sequence[int] | None = None
    value: float = 0.0

    def __post_init__(self) -> None:
        for name in ("size", "multiple"):
            given = getattr(self, name)
            if given is None:
                continue
            if not isinstance(given, Sequence) or len(given) != 3:
                raise SettingError(f"pad.{name}", given, "three whole numbers [D, H, W]")
            for edge in given:
                check_range(f"pad.{name}", edge, 1, integer=True)
            object.__setattr__(self, name, tuple(given))
        if self.size is None and self.multiple is None:
            raise SettingError("pad", None, "size or multiple", "For no padding, set pad=null.")
        check_range("pad.value", self.value)

    def __call__(self, volume: MetaTensor, value: float) -> MetaTensor:
        """Fill up a volume (C, D, H, W) with `value`, and move its affine."""
        padded: Any = volume
        if self.size is not None:
            padded = SpatialPad(self.size, mode="constant", value=value)(padded)
        if self.multiple is not None:
            padded = DivisiblePad(self.multiple, mode="constant", value=value)(padded)
        return padded  # type: ignore[no-any-return]  # MONAI keeps a MetaTensor one

    def shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape (D, H, W) of what had another one."""
        least = [max(n, low) for n, low in zip(shape, self.size or shape, strict=True)]
        return tuple(-(-n // k) * k for n, k in zip(least, self.multiple or (1, 1, 1), strict=True))
