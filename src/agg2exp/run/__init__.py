"""A run under Lightning: the module, the data module, and what is written of each case."""
