"""`python -m agg2exp <job> [overrides]`, the same as the command `agg2exp`."""

from agg2exp.cli.main import main

if __name__ == "__main__":
    main()
