"""Ids that a user chose, of which the command line and YAML make numbers where they look like one."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

from agg2exp.domain.errors import SettingError

WHOLE = re.compile(r"[+-]?(0|[1-9](_?\d)*)", re.ASCII)  # what Hydra takes for a whole number: 1_1, not 0012


def chosen_ids(setting: str, chosen: object, known: Collection[str], where: str) -> list[str]:
    """The ids that were chosen, each once, in the order chosen.

    A word is the id that it is. A number, a truth value or null is the id that reads as it, such as `1e5` for 100000.0;
    where several do (`1e5` and `100000.0`), it is refused.

    Args:
        setting: Name of the setting.
        chosen: One id or a list of them.
        known: All ids.
        where: Where these are, for the message.

    Raises:
        SettingError: Nothing is chosen, an id is unknown, or could be several.
    """
    wanted = chosen if isinstance(chosen, Sequence) and not isinstance(chosen, str) else [chosen]
    found: dict[str, None] = {}
    for value in wanted:
        ids = _meant(value, known)
        if len(ids) > 1:
            raise SettingError(
                setting, value, f"one id, where {' and '.join(map(repr, ids))} read alike", f"Quote it: {_quoted(ids)}."
            )
        if not ids:
            break
        found |= dict.fromkeys(ids)
    else:
        if found:
            return list(found)
    raise SettingError(setting, chosen, f"ids of {where} ({', '.join([*known][:5])}, …)")


def _meant(value: object, known: Collection[str]) -> list[str]:
    """The ids that a value stands for."""
    if isinstance(value, str):
        return [value] if value in known else []
    if not (value is None or isinstance(value, bool | int | float)):
        return []
    return [name for name in known if _same(_reading(name), value)]


def _reading(name: str) -> object:
    """What the command line makes of a word without quotes."""
    word = name.lower()
    if word in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[word]
    if WHOLE.fullmatch(name):
        return int(name)
    try:
        return name if name.lstrip("+-").replace("_", "").isdecimal() else float(name)  # 0012 stays a word
    except ValueError:
        return name


def _same(reading: object, value: object) -> bool:
    if isinstance(reading, float) and isinstance(value, float) and math.isnan(value):
        return math.isnan(reading)
    return type(reading) is type(value) and reading == value


def _quoted(ids: Sequence[str]) -> str:
    return " or ".join(f"""'["{name}"]'""" for name in ids)
