"""Which cases a run is about, also those of which it has nothing yet."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from agg2exp.domain.errors import DataError
from agg2exp.store.atomic import atomic_write

PLACE = ".hydra/expected.json"


def write_expected(output: Path, cases: Iterable[str]) -> None:
    """Keep the ids of all cases that the tables of a run are about."""
    with atomic_write(output / PLACE) as path:
        path.write_text(json.dumps(list(cases), indent=0) + "\n", encoding="utf-8")


def read_expected(output: Path) -> list[str]:
    """The ids; none if the run kept none.

    Raises:
        DataError: It is no list of ids.
    """
    path = output / PLACE
    try:
        cases = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected a list of case ids, got: {error}") from error
    if not isinstance(cases, list) or not all(isinstance(case, str) for case in cases):
        raise DataError(f"{path}: expected a list of case ids, got {str(cases)[:100]!r}.")
    return cases
