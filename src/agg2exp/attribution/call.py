"""The keyword arguments of the Python call, in captum's words."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypedDict

from torch import Tensor

from agg2exp.attribution.arguments import plain
from agg2exp.baselines import Baseline

OF_METHODS = ("baselines", "feature_mask", "n_samples", "n_steps")


class CallSettings(TypedDict, total=False):
    """What may be given beside model, image and classes; None is as good as not given, but for the seed.

    Attributes:
        baselines: x′.
        feature_mask: (D, H, W) supervoxel of every voxel.
        n_samples: Noisy copies, or coalitions.
        n_steps: Steps of the path from x′ to x.
        perturbations_per_eval: Windows evaluated at a time.
        seed: Seed of every random number, 0 by default.
        show_progress: Show a bar.
    """

    baselines: Baseline | Tensor | float | None
    feature_mask: Tensor | None
    n_samples: int | None
    n_steps: int | None
    perturbations_per_eval: int | None
    seed: int
    show_progress: bool


def check_names(settings: Mapping[str, object]) -> None:
    """Raise `TypeError`, as Python does, for the name of an argument that `Attributor.attribute` does not have."""
    known = ("model", "inputs", "target", "classes", "score", "head", *CallSettings.__annotations__)
    for name in settings:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(known)}."
            raise TypeError(f"attribute() got an unexpected keyword argument {name!r}. {hint}")


def of_method(settings: Mapping[str, object]) -> dict[str, Any]:
    """Those that are settings of an attribution method, if given."""
    given = {name: plain(settings.get(name)) for name in OF_METHODS}
    return {name: value for name, value in given.items() if value is not None}
