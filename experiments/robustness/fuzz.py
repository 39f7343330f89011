"""Hand mutated files to agg2exp: each is read right or refused in words.

    python experiments/robustness/fuzz.py --n 10000 --seed 0 [--kinds meta.csv metadata]

A kind is a module beside this file with three functions, and an entry in `KINDS`:

    mutant(random) -> a mutated input
    read(mutant, folder) -> what agg2exp makes of it; for an input that a run records and passes over, `RECORDED`
    is_right(mutant, value) -> whether that is what the input says, by a reading that shares no code with agg2exp
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from agg2exp.domain.errors import CaseError, DataError, SettingError

KINDS = {
    "meta.csv": "case_tables",
    "metadata": "metadata_tables",
    "classes": "anatomies",
    "published CSV": "published_tables",
    "run YAML": "run_settings",
    "run tables": "run_tables",
    "case results": "case_results",
    "failures": "failure_records",
    "NIfTI": "volumes",
    "weights": "weights_files",
    "cache entries": "cache_entries",
}
CLEAN = (CaseError, DataError, SettingError)
RECORDED = "recorded"
FAULTS = ("traceback", "hang", "changed")
SECONDS = 10  # after which an input counts as hanging


class HangError(BaseException):
    """No answer in time; not an Exception, so that nothing handles it by accident."""


def module_of(kind: str) -> ModuleType:
    """The module of a kind."""
    folder = str(Path(__file__).parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(KINDS[kind])


def outcome(module: ModuleType, mutant: object, folder: Path) -> tuple[str, str]:
    """How an input ends, `clean`, `recorded`, `right` or one of `FAULTS`, and what was said."""
    previous = signal.signal(signal.SIGALRM, _hang)
    signal.alarm(SECONDS)
    try:
        value = module.read(mutant, folder)
    except CLEAN as error:
        return "clean", str(error)
    except HangError:
        return "hang", ""
    except Exception:  # noqa: BLE001 - whatever comes is the finding
        return "traceback", traceback.format_exc()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    if isinstance(value, str) and value == RECORDED:
        return "recorded", ""
    return ("right", "") if module.is_right(mutant, value) else ("changed", repr(value))


def outcomes(kind: str, n: int, seed: int) -> Iterator[tuple[object, str, str]]:
    """Each mutant of a kind with how it ends and what was said; the same for the same seed."""
    module = module_of(kind)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(n):
            mutant = module.mutant(np.random.default_rng([seed, i]))
            yield (mutant, *outcome(module, mutant, Path(folder)))


def main(words: list[str] | None = None) -> int:
    """Print how the inputs of each kind end, with an example of each fault; 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=[*KINDS], default=[*KINDS])
    chosen = parser.parse_args(words)
    found = 0
    for kind in chosen.kinds:
        counts: Counter[str] = Counter()
        for i, (mutant, ended, said) in enumerate(outcomes(kind, chosen.n, chosen.seed)):
            counts[ended] += 1
            if ended in FAULTS and counts[ended] <= 3:
                print(f"{kind}, input {i}: {ended}: {mutant!r:.2000}\n{said}")
        found += sum(counts[name] for name in FAULTS)
        print(f"{kind}: " + ", ".join(f"{counts[name]} {name}" for name in ("clean", "recorded", "right", *FAULTS)))
    return int(found > 0)


def _hang(signum: int, frame: object) -> None:
    raise HangError


if __name__ == "__main__":
    sys.exit(main())
