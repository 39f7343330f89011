"""How many network passes the benchmark of one case takes: counted on a toy network, below what was announced."""

import re
import subprocess
import sys

import pytest

from agg2exp.cli.conf_dir import conf_dir

SCRIPT = conf_dir().parent / "experiments" / "table1" / "passes.py"


@pytest.mark.parametrize(
    ("arguments", "forwards"),
    [([], 5200), (["--cubes", "200", "--semantic", "80"], 1500)],
    ids=["experiment=table1", "experiment=table1_efficient"],
)
def test_passes_of_the_benchmark_stay_within_their_bounds(arguments: list[str], forwards: int):
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=True)
    rows = {re.split(r" {2,}", line)[0]: [int(word.replace(",", "")) for word in re.findall(r"[\d,]+", line)[-4:]]
            for line in done.stdout.splitlines() if line.startswith(("together", "shared"))}  # fmt: skip
    counted, announced = rows["together"][2:], rows["shared parts once"]
    assert counted[0] <= announced[0] <= forwards
    assert counted[1] == announced[1] <= 1200
