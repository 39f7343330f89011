"""The mistakes a user can make: a wrong setting, a case that cannot be processed, results that do not fit together."""

from __future__ import annotations

import math
from collections.abc import Collection


class SettingError(ValueError):
    """A setting has a value that is not allowed. The command line prefixes the group it belongs to.

    Args:
        setting: Name of the setting, as on the command line.
        value: What came.
        allowed: What is allowed, in words.
        hint: What to do, if that does not follow from `allowed`.
    """

    def __init__(self, setting: str, value: object, allowed: str, hint: str = "") -> None:
        self.setting = setting
        super().__init__(f"{setting}: expected {allowed}, got {value!r}." + (f" {hint}" if hint else ""))


class CaseError(RuntimeError):
    """One case cannot be read or explained; the other cases go on.

    Args:
        case_id: The case.
        problem: What was expected, what came, and what to do.
    """

    def __init__(self, case_id: str, problem: str) -> None:
        self.case_id = case_id
        super().__init__(f"case {case_id}: {problem}")

    def __reduce__(self) -> tuple[type[CaseError], tuple[str, str]]:
        """Rebuild from (case id, problem), so that the error survives the way out of a data-loader worker."""
        return type(self), (self.case_id, str(self).removeprefix(f"case {self.case_id}: "))


class DataError(ValueError):
    """Stored results do not allow an analysis: too few cases, missing values, tables that do not fit together."""


class RankLostError(RuntimeError):
    """Another process of the run ended with an error, was killed or stalled; the run cannot go on."""


def check_choice(setting: str, value: object, choices: Collection[str]) -> None:
    """Raise `SettingError` unless `value` is one of `choices`."""
    if value not in choices:
        raise SettingError(setting, value, "one of " + ", ".join(repr(c) for c in choices))


def check_range(
    setting: str,
    value: object,
    low: float | None = None,
    high: float | None = None,
    *,
    integer: bool = False,
    below: bool = False,
) -> None:
    """Raise `SettingError` unless `value` is a number with low <= value <= high (`below`: value < high)."""
    kind: tuple[type, ...] = (int,) if integer else (int, float)
    word = "a whole number" if integer else "a number"
    top = f"{'below' if below else 'at most'} {high}"
    allowed = (
        word
        + {
            (False, False): "",
            (True, False): f" of at least {low}",
            (False, True): f" {top}",
            (True, True): f" of at least {low} and {top}",
        }[(low is not None, high is not None)]
    )
    fits = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]
    if fits and low is not None:
        fits = value >= low  # type: ignore[operator]  # value is a number here
    if fits and high is not None:
        fits = value < high if below else value <= high  # type: ignore[operator]
    if not fits:
        raise SettingError(setting, value, allowed)
