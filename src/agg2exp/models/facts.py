"""What a network was trained on, as it is written beside its weights and compared when they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from agg2exp.domain.labels import Labels
from agg2exp.inference import SlidingWindow
from agg2exp.preprocessing.base import Preprocessor

HU_RANGE = "hu_range"
"""What earlier versions wrote for a window of intensities, [low, high]."""
OF_PREPROCESSING = ("axes", "spacing", "intensity")


def facts_of(labels: Labels, preprocessing: Preprocessor, windows: SlidingWindow) -> dict[str, str]:
    """The facts by name, each as JSON; of a user's own preprocessing those that it has as attributes."""
    facts: dict[str, Any] = {
        "classes": list(labels.classes),
        "head": labels.head,
        "window": [int(edge) for edge in windows.size],
    }
    for name in OF_PREPROCESSING:
        if hasattr(preprocessing, name):
            value = getattr(preprocessing, name)
            facts[name] = _in_words(value) if name == "intensity" else value
    return {name: json.dumps(value) for name, value in facts.items()}


def differing_facts(header: Mapping[str, str], facts: Mapping[str, str]) -> list[str]:
    """How the facts of a file differ from those of the model, in words; what one of them does not tell, does not.

    Args:
        header: Of the file, by name, as JSON.
        facts: As `facts_of` gives them.

    Raises:
        ValueError: A fact of the file is no JSON; it tells which.
    """
    recorded = {name: _read(name, text) for name, text in header.items() if name in (*facts, HU_RANGE)}
    if HU_RANGE in recorded:
        recorded.setdefault("intensity", _of_hu_range(recorded.pop(HU_RANGE)))
    own = {name: json.loads(text) for name, text in facts.items()}
    return [
        f"{name}: trained with {json.dumps(value, ensure_ascii=False)}, configured "
        f"{json.dumps(own[name], ensure_ascii=False)}"
        for name, value in recorded.items()
        if name in own and value != own[name]
    ]


def _read(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON as {name!r} in its header, got {text[:80]!r}") from error


def _of_hu_range(value: object) -> str:
    """The words that a window of these ends has now."""
    if isinstance(value, list) and len(value) == 2 and all(isinstance(end, int | float) for end in value):
        return f"Window(low={float(value[0])}, high={float(value[1])})"
    return str(value)


def _in_words(intensity: object) -> str | None:
    """A map of values in words; of transforms their classes alone."""
    if intensity is None:
        return None
    if isinstance(intensity, Sequence):
        return ", ".join(type(transform).__name__ for transform in intensity)
    own = fields(intensity) if is_dataclass(intensity) else ()
    return f"{type(intensity).__name__}({', '.join(f'{f.name}={getattr(intensity, f.name)!r}' for f in own)})"
