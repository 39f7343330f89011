"""What objects are made from that say so themselves, as pickle asks them; nothing is written or called."""

from __future__ import annotations

import copyreg
from collections.abc import Iterator
from typing import Any

ASKED = ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
PROTOCOL = 4


def made_from(value: object) -> Any:
    """The name of an object, or the function, arguments, state and members that make it again.

    Such are the functions of numpy, fractions, tables of pandas, fitted models of scikit-learn and loggers.

    Returns:
        None if its class does not say more than any class does, or it cannot be pickled.
    """
    cls = type(value)
    says = any(getattr(cls, name, None) is not getattr(object, name, None) for name in ASKED)
    if not says and cls not in copyreg.dispatch_table:
        return None
    try:
        parts = value.__reduce_ex__(PROTOCOL)
    except Exception:  # noqa: BLE001 - whatever a class does where it cannot be pickled
        return None
    if isinstance(parts, str):
        return f"{getattr(value, '__module__', '')}.{parts}"
    return [list(part) if isinstance(part, Iterator) else part for part in parts]
