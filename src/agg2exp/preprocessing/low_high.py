"""Two ends of an interval, as several parts of a preprocessing have them."""

from __future__ import annotations

from agg2exp.domain.errors import SettingError, check_range


def check_low_high(part: object, setting: str, least: float | None = None, most: float | None = None) -> None:
    """Make `low` and `high` of a frozen part floats.

    Args:
        part: Has the two.
        setting: Its name, for the errors.
        least: Smallest value allowed.
        most: Largest value allowed.

    Raises:
        SettingError: One is no number in this range, or low is not below high.
    """
    low, high = (getattr(part, name) for name in ("low", "high"))
    for name, value in (("low", low), ("high", high)):
        check_range(f"{setting}.{name}", value, least, most)
        object.__setattr__(part, name, float(value))
    if low >= high:
        raise SettingError(setting, [float(low), float(high)], "low < high")
