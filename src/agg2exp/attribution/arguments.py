"""What a Python call may be given, checked as strictly as the command line, in one place for all methods."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from agg2exp.domain.errors import SettingError, check_choice, check_range
from agg2exp.domain.labels import Labels
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import Score

TARGETS = "a label index, a class name, or a sequence of them without repeats"


def plain(value: object) -> object:
    """A number of NumPy or a tensor () as Python's own; everything else as it is."""
    if isinstance(value, Tensor) and value.ndim == 0:
        return value.item()
    return value.item() if isinstance(value, np.generic) else value


def image_of(inputs: object) -> Tensor:
    """x (C, D, H, W) of an image (C, D, H, W) or (1, C, D, H, W).

    Raises:
        SettingError: It is no such image, not of floating point, or not finite.
    """
    allowed = "an image (C, D, H, W) or (1, C, D, H, W)"
    if not isinstance(inputs, Tensor):
        raise SettingError("inputs", type(inputs).__name__, f"{allowed}, a torch.Tensor")
    if inputs.layout != torch.strided:
        raise SettingError("inputs", inputs.layout, "a dense image", "For example image.to_dense().")
    image = inputs[0] if inputs.ndim == 5 and len(inputs) == 1 else inputs
    if image.ndim != 4 or not image.numel():
        raise SettingError("inputs", f"shape {tuple(inputs.shape)}", allowed)
    if not image.is_floating_point():
        raise SettingError("inputs", inputs.dtype, "an image of floating point", "For example image.float().")
    if not bool(image.isfinite().all()):
        raise SettingError("inputs", "NaN or infinity", "an image of finite numbers")
    return image


def network_of(model: object) -> nn.Module:
    """The network of a model through windows, or a network itself."""
    network = model.network if isinstance(model, WindowedModel) else model
    if not isinstance(network, nn.Module):
        raise SettingError("model", type(model).__name__, "a torch.nn.Module, or a WindowedModel of one")
    return network


def windows_of(model: object, image: Tensor, batch: object = None) -> SlidingWindow:
    """Those of a model through windows; of a bare network, one window as large as the image (C, D, H, W).

    Args:
        model: The model or network.
        image: x.
        batch: `perturbations_per_eval`; None for as it was.
    """
    d, h, w = image.shape[1:]
    windows = model.windows if isinstance(model, WindowedModel) else SlidingWindow((d, h, w))
    return windows if batch is None else replace(windows, batch=whole_number("perturbations_per_eval", batch, 1))


def head_of(model: object, classes: object) -> str:
    """What a model through windows, or the labels that are given or the network's own, say; else "softmax"."""
    if isinstance(model, WindowedModel):
        return model.head
    labels = classes if isinstance(classes, Labels) else getattr(model, "labels", None)
    return labels.head if isinstance(labels, Labels) else "softmax"


def names_of(network: nn.Module, classes: Sequence[str] | Labels | None) -> tuple[str, ...] | None:
    """Class names (L) as given, or as the network's own labels have them; None if nobody knows."""
    given = getattr(network, "labels", None) if classes is None else classes
    if isinstance(given, Labels):
        return given.classes
    if classes is None or isinstance(classes, Labels):
        return None
    names = tuple(classes)
    if isinstance(classes, str) or not all(isinstance(n, str) for n in names) or len(set(names)) != len(names):
        raise SettingError("classes", classes, "the name of every class the network knows, in the order of its labels")
    return names


def class_indices(target: object, n_classes: int, names: Sequence[str] | None) -> tuple[int, ...]:
    """Label indices (K) of the classes to explain, in the order given; None means all L.

    Args:
        target: An index, a name, or a sequence of them (list, tuple, range, array or tensor of whole numbers).
        n_classes: L.
        names: Of the L classes, if known.

    Raises:
        SettingError: It is none of these, names a class that there is not, or one twice.
    """
    if names is not None and len(names) != n_classes:
        raise SettingError("classes", f"{len(names)} names", f"one for each of the {n_classes} classes of the network")
    if target is None:
        return tuple(range(n_classes))
    one = plain(target)
    many = [one] if isinstance(one, str | numbers.Number) else _listed(one)
    chosen = tuple(_index(item, target, n_classes, names) for item in many)
    if not chosen or len(set(chosen)) != len(chosen):
        raise SettingError("target", target, TARGETS)
    return chosen


def _listed(target: object) -> list[object]:
    if isinstance(target, Tensor | np.ndarray) and target.ndim == 1:
        return list(target.tolist())
    if isinstance(target, list | tuple | range):
        return [plain(item) for item in target]
    raise SettingError("target", target, TARGETS)


def _index(item: object, target: object, n_classes: int, names: Sequence[str] | None) -> int:
    if isinstance(item, str):
        if names is None:
            hint = "The names are not known: give them by classes=[...], in the order of the network's labels."
            raise SettingError("target", target, f"label indices 0 to {n_classes - 1}", hint)
        if item not in names:
            raise SettingError("target", target, f"classes among {list(names)}")
        return names.index(item)
    if not isinstance(item, int) or isinstance(item, bool):
        raise SettingError("target", target, TARGETS)
    if not 0 <= item < n_classes:
        raise SettingError("target", target, f"label indices 0 to {n_classes - 1}")
    return item


def check_score(score: object, head: object) -> None:
    """Raise `SettingError` for one that is not allowed."""
    if score is not None and not isinstance(score, Score):
        raise SettingError("score", score, "a score, such as agg2exp.scores.MeanScore()")
    if head is not None:
        check_choice("head", head, ("softmax", "sigmoid"))


def whole_number(name: str, value: object, low: int | None = None) -> int:
    """A whole number, also of NumPy or a tensor ().

    Raises:
        SettingError: It is none, or below `low`.
    """
    number = plain(value)
    check_range(name, number, low, integer=True)
    return int(number)  # type: ignore[call-overload,no-any-return]  # checked above
