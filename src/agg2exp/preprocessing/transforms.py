"""Lists of MONAI's transforms, given as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from monai.data import MetaTensor
from monai.transforms import Randomizable
from torch import Tensor

from agg2exp.domain.errors import SettingError

Transform = Callable[[Any], Any]


def checked(setting: str, transforms: Sequence[Any]) -> tuple[Transform, ...]:
    """The transforms, none of which may be random.

    Raises:
        SettingError: One cannot be called, or throws dice; or a word came.
    """
    if isinstance(transforms, str):
        raise SettingError(
            setting, transforms, "null, an object such as conf/model/preprocessing/ct.yaml has, or a list"
        )
    for i, transform in enumerate(transforms):
        if not callable(transform) or isinstance(transform, Randomizable):
            allowed = "a transform that can be called with (C, D, H, W) and gives the same each time"
            raise SettingError(f"{setting}[{i}]", transform, allowed)
    return tuple(transforms)


def applied(transforms: Sequence[Transform], volume: MetaTensor) -> MetaTensor:
    """All of them, one after another; the volume itself is left alone."""
    result: Any = MetaTensor(volume.as_tensor().clone(), affine=volume.affine)
    for transform in transforms:
        result = transform(result)
    return result if isinstance(result, MetaTensor) else MetaTensor(result, affine=volume.affine)


def kept_shape(setting: str, transforms: Sequence[Transform], volume: MetaTensor) -> Tensor:
    """All of them, which must leave the grid as it is.

    Raises:
        SettingError: The shape is another one.
    """
    result = applied(transforms, volume)
    if result.shape != volume.shape:
        raise SettingError(
            setting,
            tuple(result.shape),
            f"transforms that keep the shape {tuple(volume.shape)} of a volume (C, D, H, W)",
            "What changes the grid belongs into axes, spacing, crop and pad, or into MonaiPreprocessing.",
        )
    return result.as_tensor()
