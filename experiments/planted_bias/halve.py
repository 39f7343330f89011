"""Store trained weights in half precision; loading casts them back to float32.

python experiments/planted_bias/halve.py <run>/weights.safetensors experiments/planted_bias/biased.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path)
    parser.add_argument("halved", type=Path)
    args = parser.parse_args()
    with safe_open(args.trained, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        header = file.metadata()
    halved = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    if not all(value.isfinite().all() for value in halved.values()):
        raise SystemExit(f"{args.trained} has values beyond the range of half precision")
    save_file(halved, args.halved, metadata=header)


if __name__ == "__main__":
    main()
