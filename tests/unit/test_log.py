"""Log lines and bars do not overwrite each other."""

import io
import logging

from rich.console import Console
from rich.progress import Progress

from agg2exp.log import logged_above

LONG = "[bold] " + "structures that no case has a file for, " * 30 + "END"


def test_a_long_warning_appears_whole_above_the_bars():
    screen, stale = io.StringIO(), io.StringIO()
    console = Console(file=screen, force_terminal=True, width=40)
    handler = logging.StreamHandler(stale)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with Progress(console=console) as progress, logged_above(progress.console):
            progress.add_task("cases", total=3)
            logging.getLogger("agg2exp").warning(LONG)
        logging.getLogger("agg2exp").warning("afterwards")
    finally:
        root.removeHandler(handler)
    assert LONG in screen.getvalue()
    assert stale.getvalue() == "afterwards\n"


def test_where_nothing_is_a_terminal_nothing_changes():
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with logged_above(Console(file=io.StringIO(), width=40)):
            logging.getLogger("agg2exp").warning(LONG)
    finally:
        root.removeHandler(handler)
    assert written.getvalue() == f"{LONG}\n"
