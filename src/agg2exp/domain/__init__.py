"""Frozen records and roles that every other package speaks in. imports no package of ours above it."""
