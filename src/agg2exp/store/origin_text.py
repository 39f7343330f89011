"""Where a case came from, as JSON holds it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agg2exp.domain.case import Origin


def origin_as_text(origin: Origin | None) -> dict[str, Any] | None:
    """Words and numbers only; None if it is not known."""
    if origin is None:
        return None
    structures = {name: str(path) for name, path in origin.structures.items()}
    return {"digest": origin.digest, "image": str(origin.image), "structures": structures,
            "threshold": origin.threshold, "display": origin.display}  # fmt: skip


def origin_from_text(stored: Mapping[str, Any] | None) -> Origin | None:
    """Back from `origin_as_text`."""
    if stored is None:
        return None
    structures = {str(name): Path(path) for name, path in stored["structures"].items()}
    threshold = stored["threshold"]
    return Origin(
        digest=str(stored["digest"]),
        image=Path(stored["image"]),
        structures=structures,
        threshold=None if threshold is None else float(threshold),
        display=tuple((float(low), float(high)) for low, high in stored["display"]),
    )
