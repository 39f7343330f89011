"""Stored results of runs -> tables and pages; no Lightning, no GPU."""
