"""Where the files of a case were found, as the words of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agg2exp.domain.files import MaskFile, Origin


def origin_as_text(origin: Origin | None) -> dict[str, Any] | None:
    """Plain data; None for none."""
    if origin is None:
        return None
    annotation = {name: [[str(f.path), f.label] for f in files] for name, files in origin.annotation.items()}
    return {"digest": origin.digest, "images": [str(path) for path in origin.images], "annotation": annotation,
            "threshold": origin.threshold, "display": origin.display}  # fmt: skip


def origin_from_text(stored: Mapping[str, Any] | None) -> Origin | None:
    """Back from `origin_as_text`.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: It is something else.
    """
    if stored is None:
        return None
    annotation = {
        str(name): tuple(MaskFile(Path(path), None if label is None else int(label)) for path, label in files)
        for name, files in stored["annotation"].items()
    }
    threshold = stored["threshold"]
    return Origin(
        digest=str(stored["digest"]),
        images=tuple(map(Path, stored["images"])),
        annotation=annotation,
        threshold=None if threshold is None else float(threshold),
        display=tuple((float(low), float(high)) for low, high in stored["display"]),
    )
