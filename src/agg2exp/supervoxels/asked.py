"""Which label map supervoxels need with each case."""

from __future__ import annotations

from collections.abc import Iterable

from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import LabelMapFile
from agg2exp.supervoxels.base import Supervoxels


def label_map_file(users: Iterable[object]) -> LabelMapFile | None:
    """The label map that the supervoxels of methods and metrics ask for; None if none does.

    Args:
        users: Objects whose attributes may be supervoxels.

    Raises:
        SettingError: They ask for two different ones, and a case has one.
    """
    attributes = [value for user in users for value in vars(user).values()]
    asked = [value.label_map_file for value in attributes if isinstance(value, Supervoxels)]
    files = list(dict.fromkeys(file for file in asked if file is not None))
    if len(files) > 1:
        raise SettingError("supervoxels.path", [file.path for file in files], "one label map for method and metrics")
    return files[0] if files else None
