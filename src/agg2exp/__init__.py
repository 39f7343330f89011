"""agg2exp: explain 3D medical segmentation models by the importance of regions of interest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agg2exp.api import load_model

__version__ = "0.1.0"
__all__ = ["__version__", "load_model"]
DOOR = {"load_model": "agg2exp.api"}
"""Names that are imported when they are first asked for, since they import a lot."""


def __getattr__(name: str) -> Any:
    if name in DOOR:
        from importlib import import_module

        return getattr(import_module(DOOR[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
