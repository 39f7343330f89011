"""Several processes explain the cases of one run: who gets which case, how they start, how they end together."""
