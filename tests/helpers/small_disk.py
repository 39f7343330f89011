"""Jobs on a small disk of their own, which gets full or read-only: `unshare -rm python -m tests.helpers.small_disk`.

The disk is a mount that no other process sees and that goes with this one.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch

from agg2exp.run.module import ExplanationModule
from agg2exp.store.case_store import CaseStore
from tests.helpers.runs import run


class SmallDisk:
    """A disk of 4 MB at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.filler = folder / "filler"
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], check=True)

    def fill(self) -> None:
        """Nothing more fits on it, not even where a page has room left."""
        with self.filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def make_room(self) -> None:
        self.filler.unlink()

    def lock(self) -> None:
        """Read-only from now on; a log that is open goes on, since the kernel refuses to lock it in."""
        for options in ("bind", "remount,bind,ro"):
            subprocess.run(["mount", "-o", options, str(self.folder), str(self.folder)], check=True)

    def unlock(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


def told(arguments: list[str], output: Path, at_second_case: Callable[[], None] | None = None) -> dict[str, object]:
    """Run a job, during which something may happen to the disk; what it said and left behind."""
    explain, said, begun = ExplanationModule.explain, io.StringIO(), []

    def disturbed(self: ExplanationModule, case: object, *fallback: object) -> object:
        begun.append(case)
        if len(begun) == 2 and at_second_case is not None:
            at_second_case()
        return explain(self, case, *fallback)

    with redirect_stderr(said), redirect_stdout(said), patch.object(ExplanationModule, "explain", disturbed):
        code = run("explain", arguments, output).code
    store = CaseStore(output)
    for case in store.finished():
        store.read(case)
    tables = {p.name: p.read_bytes().hex() for p in (output / "tables").glob("*.parquet") if p.stem != "timings"}
    return {
        "code": code,
        "begun": len(begun),
        "said": said.getvalue(),
        "finished": store.finished(),
        "halves": [path.name for path in output.rglob(".writing-*")],
        "tables": tables,
    }


def main() -> None:
    """Print what each job said, as JSON. Arguments: an empty folder, and those of the job."""
    folder, arguments = Path(sys.argv[1]), sys.argv[2:]
    jobs = {"unbroken": told(arguments, folder / "unbroken")}
    (folder / "disk").mkdir()
    disk = SmallDisk(folder / "disk")
    jobs["full"] = told(arguments, disk.folder / "full", disk.fill)
    jobs["full_still"] = told(arguments, disk.folder / "full")
    jobs["full_new"] = told(arguments, disk.folder / "full from the start")
    disk.make_room()
    jobs["resumed"] = told(arguments, disk.folder / "full")
    jobs["locked"] = told(arguments, disk.folder / "locked", disk.lock)
    jobs["locked_still"] = told(arguments, disk.folder / "locked")
    jobs["locked_new"] = told(arguments, disk.folder / "locked from the start")
    disk.unlock()
    jobs["unlocked"] = told(arguments, disk.folder / "locked")
    sys.stdout.write(json.dumps(jobs) + "\n")


if __name__ == "__main__":
    main()
