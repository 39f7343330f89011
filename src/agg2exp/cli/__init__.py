"""The command line `agg2exp <job> [overrides]`: one module per job, the only place that imports Hydra."""
