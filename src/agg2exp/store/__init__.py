"""Volumes, importances and failures on disk."""
