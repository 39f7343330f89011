"""How tables and pictures of a run are made, read from the configuration that it left, as data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agg2exp.cli.run_settings import configuration
from agg2exp.domain.errors import DataError, SettingError
from agg2exp.explaining.collect import Collecting
from agg2exp.figures.anatomy import Anatomy

NAMES = {"draws", "pictures", "top"}


def collecting_of(folder: Path) -> Collecting:
    """What `config.yaml` of a run says of it; nothing that it names is made or called.

    Raises:
        DataError: It is not there, not readable, or says something that is not allowed.
    """
    config = configuration(folder)
    how, anatomy = config.get("collect") or {}, config.get("anatomy") or {}
    if not isinstance(how, Mapping) or {*how} - NAMES or not isinstance(anatomy, Mapping):
        raise DataError(f"{folder / 'config.yaml'}: expected collect with draws, pictures and top, and an anatomy.")
    try:
        return Collecting(Anatomy(anatomy.get("groups") or {}), **how)
    except SettingError as error:
        raise DataError(f"{folder / 'config.yaml'}: {error}") from error
