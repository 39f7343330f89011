"""`python -m tests.helpers.late <job> …`: the command line, which ranks other than 0 begin three seconds late."""

from __future__ import annotations

import os
import time

from agg2exp.cli.main import main

if __name__ == "__main__":
    time.sleep(3 * int(os.environ["RANK"]))
    main()
