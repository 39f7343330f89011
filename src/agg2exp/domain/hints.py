"""Words for the command line that a message tells the user to type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

PLAIN = re.compile(r"[A-Za-z0-9_./-]*/[A-Za-z0-9_./-]*")  # with a slash it is no number, boolean or null either


def override(key: str, value: str | Path) -> str:
    """`key=value` in Hydra's grammar: quoted unless it is a plain path.

    In double quotes only backslashes before a quote, or before `${`, are read as escapes; a path that ends in one is
    closed with two.
    """
    text = str(value)
    if PLAIN.fullmatch(text):
        return f"{key}={text}"
    literal = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    quoted = re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + ('\\"' if found[2] else ""), literal)
    return f'{key}="{quoted}"'


def pasted(key: str, value: str | Path) -> str:
    """`key=value` as it can be pasted into a shell."""
    word = override(key, value)
    return f"{key}={shlex.quote(word.removeprefix(f'{key}='))}"
