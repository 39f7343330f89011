"""agg2exp: explain 3D medical segmentation models by the importance of regions of interest."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agg2exp.api.explain import explain
    from agg2exp.api.load_model import load_model
    from agg2exp.data.given_case import GivenCase
    from agg2exp.explaining.result import Result, Results

__version__ = "0.2.0.dev0"
__all__ = ["GivenCase", "Result", "Results", "__version__", "explain", "load_model"]
DOOR = {
    "GivenCase": "agg2exp.data.given_case",
    "Result": "agg2exp.explaining.result",
    "Results": "agg2exp.explaining.result",
    "explain": "agg2exp.api.explain",
    "load_model": "agg2exp.api.load_model",
}
"""Names that are imported when they are first asked for, since they import a lot."""


def __getattr__(name: str) -> Any:
    if name in DOOR:
        return getattr(import_module(DOOR[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
